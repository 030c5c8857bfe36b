"""Texts that name a class or a file in a study file."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, Strict
from pydantic_core import CoreSchema, core_schema

from pipeline.config.frozen import Matching
from pipeline.config.messages import InvalidValueError

PROGRAM: Final = "__main__."
"""Begins the path of a class that a notebook or a script defines itself."""


def path_of(given: object) -> object:
    """Name a class by its path, as Python users give it; anything else is left as it is.

    >>> path_of(Matching), path_of("my_module.Net")
    ('pipeline.config.frozen.Matching', 'my_module.Net')
    """
    return f"{given.__module__}.{given.__qualname__}" if isinstance(given, type) else given


@dataclass(frozen=True)
class _Importable(Matching):
    """A limit of class paths: workers, which are processes of their own, must import the class."""

    def check(self, text: object) -> str:
        """Give the path if it is one that can be imported elsewhere.

        Raises:
            InvalidValueError: It is no path, or of a class that this process alone has.
        """
        path = super().check(text)
        if path.startswith(PROGRAM):
            name = path.removeprefix(PROGRAM)
            problem = (
                f"{path} is defined in the notebook or script itself, where no worker can import "
                f"it: move it to a file, my_module.py (in a notebook by a cell that begins with "
                f"%%writefile my_module.py), and give my_module.{name}"
            )
            raise InvalidValueError(problem=problem)
        return path

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Accept the class itself too."""
        text = super().__get_pydantic_core_schema__(source, handler)
        return core_schema.no_info_before_validator_function(path_of, text)


CLASS_PATH: Final = _Importable(
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", 300, "a dotted path to a class, my_package.MyModule"
)
ClassPath = Annotated[str, Strict(), CLASS_PATH]
"""Where a user-defined class is imported from."""
FilePath = Annotated[
    str, Strict(), Matching(r"^[^\x00]+$", 4_096, "the path of a file or a folder")
]
ONE_OF: Final = "give either name or class_path"
