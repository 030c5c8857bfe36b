"""A study to begin with: the examples that come with the package."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipeline.config.frozen import Name
from pipeline.config.messages import fault_of
from pipeline.errors import BadInputError

FOLDER: Final = "examples"
EXAMPLES: Final = ("digits", "mnist-5k")
"""Their data come with packages: nothing is downloaded. The first is the one to begin with."""
DEFAULT_NAME: Final = "study"


def example_file(example: str) -> Path:
    """The study file of an example."""
    return Path(str(files("pipeline.app") / FOLDER / f"{example}.yaml"))


def write_first_study(
    name: str = DEFAULT_NAME, *, example: str = EXAMPLES[0], folder: Path | None = None
) -> Path:
    """Write a commented study file that runs as it is; an older file is left alone.

    Args:
        name: Of the study; the file is ``NAME.yaml``.
        example: Which of ``EXAMPLES``.
        folder: By default the working folder.

    Raises:
        BadInputError: It is no name, or the file is there or cannot be written.
    """
    name = name.removesuffix(".yaml")
    _check_name(name)
    path = (folder or Path()) / f"{name}.yaml"
    text = example_file(example).read_text(encoding="utf-8")
    text = re.sub(r"^name: .*$", f"name: {name}", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"(?<= run )(study\.yaml|--example \S+)", path.name, text)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        problem = "it is there already and is left as it is; give another name"
        raise BadInputError(where=str(path), problem=problem) from None
    except OSError as error:
        problem = f"it cannot be written: {error.strerror}"
        raise BadInputError(where=str(path), problem=problem) from None
    return path


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise BadInputError(where="NAME", problem=fault_of(error).problem) from None
