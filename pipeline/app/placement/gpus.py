"""The GPUs of this machine, and which of them each worker trains on."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.engines.local import VISIBLE
from pipeline.errors import BadInputError, counted

OPTION: Final = "--gpus"
GIB: Final = 2**30
CONTEXT_BYTES: Final = GIB // 2
"""What a process is counted with for CUDA itself, before its first tensor."""
SECONDS_TO_LOOK: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU that this process sees.

    Attributes:
        address: What ``CUDA_VISIBLE_DEVICES`` calls it: a number, or the UUID of a GPU or of a part
            of one (MIG).
        memory_bytes: ``None``: unknown.
    """

    address: str
    memory_bytes: int | None = None


def visible_gpus() -> list[Gpu]:
    """Look which GPUs torch sees, within ``CUDA_VISIBLE_DEVICES`` where it is set.

    Raises:
        BadInputError: Torch or CUDA is broken.
    """
    looking = [sys.executable, "-P", "-m", "pipeline.learning.gpus"]
    done = subprocess.run(
        looking, capture_output=True, text=True, check=False, timeout=SECONDS_TO_LOOK
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no error message"])[-1]
        raise BadInputError(where=OPTION, problem=f"torch cannot look for GPUs: {reason}")
    return name_gpus(json.loads(done.stdout), os.environ.get(VISIBLE))


def name_gpus(seen: Sequence[dict[str, Any]], visible: str | None) -> list[Gpu]:
    """Give the GPUs that torch sees the names that a process is given to see one of them alone.

    CUDA lists what ``visible`` names up to the first that is not there, and of parts of a GPU (MIG)
    the first alone; the others are there, too.

    >>> [gpu.address for gpu in name_gpus([{"memory_bytes": 1}, {"memory_bytes": 2}], "3,GPU-5f")]
    ['3', 'GPU-5f']
    """
    if not seen:
        return []
    named = visible.split(",") if visible else map(str, range(len(seen)))
    found = dict(enumerate(one["memory_bytes"] for one in seen))
    gpus = [
        Gpu(address=word.strip(), memory_bytes=found.get(index)) for index, word in enumerate(named)
    ]
    return [gpu for gpu in gpus if gpu.memory_bytes or gpu.address.startswith("MIG-")]


def choose_gpus(asked: str, visible: Sequence[Gpu]) -> list[Gpu]:
    """Choose GPUs as the command line names them.

    Args:
        asked: ``all``, or numbers among those that are visible, with commas between them.
        visible: The GPUs that there are.

    Raises:
        BadInputError: There is none, or none of a number, or a number comes twice.
    """
    if not visible:
        said = os.environ.get(VISIBLE)
        told = "is not set" if said is None else f"is {said!r}"
        problem = f"torch sees no GPU here ({VISIBLE} {told})"
        raise BadInputError(where=OPTION, problem=problem)
    if asked == "all":
        return [*visible]
    chosen = list(_numbers(asked, len(visible)))
    if repeated := [number for number, count in Counter(chosen).items() if count > 1]:
        raise BadInputError(where=OPTION, got=asked, expected=f"GPU {repeated[0]} once")
    return [visible[number] for number in chosen]


def _numbers(asked: str, n_visible: int) -> Iterator[int]:
    for word in asked.split(","):
        if not word.strip().isdecimal() or int(word) >= n_visible:
            raise BadInputError(
                where=OPTION,
                got=asked,
                expected=f"all, or numbers from 0 to {n_visible - 1} with commas between them: "
                f"{counted(n_visible, 'GPU')} {'is' if n_visible == 1 else 'are'} visible",
            )
        yield int(word)


def place_workers(gpus: Sequence[Gpu], *, share: float, n_workers: int | None) -> list[str]:
    """Spread workers evenly over GPUs.

    >>> place_workers([Gpu(address="0"), Gpu(address="1")], share=0.5, n_workers=None)
    ['0', '1', '0', '1']

    Args:
        gpus: One at least.
        share: Of a GPU what a worker takes, by which so many fit on each; 0: it is not said.
        n_workers: By default as many as fit, and where no share is said one a GPU.

    Returns:
        The address of each worker's GPU.

    Raises:
        BadInputError: They do not fit, by their share or into the memory.
    """
    n_fit = len(gpus) * n_workers_of(share) if share else None
    if n_workers is not None and n_fit is not None and n_workers > n_fit:
        raise BadInputError(
            where="--workers",
            got=str(n_workers),
            expected=f"at most {n_fit} on {counted(len(gpus), 'GPU')}, by resources.gpus {share:g}",
        )
    n_workers = n_workers or n_fit or len(gpus)
    placed = [gpus[number % len(gpus)] for number in range(n_workers)]
    for gpu, count in Counter(placed).items():
        _check_memory(gpu, count)
    return [gpu.address for gpu in placed]


def n_workers_of(share: float) -> int:
    """How many workers share a GPU, each taking a part of it.

    >>> n_workers_of(0.25), n_workers_of(0.1), n_workers_of(0.3)
    (4, 10, 3)

    Raises:
        BadInputError: A worker would take more than one.
    """
    if share > 1:
        expected = f"at most 1 with {OPTION}: a worker trains on one GPU"
        raise BadInputError(where="resources.gpus", got=f"{share:g}", expected=expected)
    return math.floor(1 / share + 1e-9)


def _check_memory(gpu: Gpu, n_workers: int) -> None:
    if gpu.memory_bytes is None or n_workers * CONTEXT_BYTES < gpu.memory_bytes:
        return
    raise BadInputError(
        where=OPTION,
        got=f"{counted(n_workers, 'worker')} on GPU {gpu.address} "
        f"of {gpu.memory_bytes / GIB:.3g} GiB",
        expected=f"fewer: each takes {CONTEXT_BYTES / GIB:g} GiB for CUDA before its first tensor",
    )
