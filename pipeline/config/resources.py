"""``resources``: what a worker takes of a cluster's node."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, Strict

from pipeline.config.frozen import Frozen
from pipeline.config.messages import InvalidValueError, shown

UNITS: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
MEMORY: Final = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})")


def _bytes(given: object) -> object:
    """Read ``2GiB``; a whole number is bytes.

    >>> _bytes("2GiB")
    2147483648
    """
    match = MEMORY.fullmatch(given) if isinstance(given, str) else None
    if match:
        return int(float(match[1]) * UNITS[match[2]])
    if type(given) is int:
        return given
    expected = f"a number of bytes, or a size such as 2GiB ({', '.join(UNITS)})"
    raise InvalidValueError(got=shown(given), expected=expected)


Memory = Annotated[
    int,
    Strict(),
    Field(gt=0),
    BeforeValidator(_bytes, json_schema_input_type=int | str),
]


class Resources(Frozen):
    """What a worker takes of a node; they are of the cluster and change no row of the table.

    Attributes:
        cpus: Processors.
        gpus: Of GPUs a part, or several.
        memory: Bytes; ``None``: it is not counted.
    """

    cpus: Annotated[float, Strict(), Field(gt=0, le=1024)] = 1.0
    gpus: Annotated[float, Strict(), Field(ge=0, le=64)] = 0.0
    memory: Memory | None = None

    def __str__(self) -> str:
        """In words: ``1 CPU, 0.25 GPU and 2 GiB of memory``."""
        parts = [f"{self.cpus:g} CPU"]
        parts += [f"{self.gpus:g} GPU"] * bool(self.gpus)
        parts += [f"{(self.memory or 0) / UNITS['GiB']:.3g} GiB of memory"] * bool(self.memory)
        return ", ".join(parts)

    @property
    def of_ray(self) -> dict[str, Any]:
        """As Ray's options name them."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": self.memory}
