"""Texts that name a class or a file in a study file."""

from typing import Annotated, Final

from pydantic import Strict

from pipeline.config.frozen import Matching

CLASS_PATH: Final = Matching(
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", 300, "a dotted path to a class, my_package.MyModule"
)
ClassPath = Annotated[str, Strict(), CLASS_PATH]
"""Where a user-defined class is imported from."""
FilePath = Annotated[
    str, Strict(), Matching(r"^[^\x00]+$", 4_096, "the path of a file or a folder")
]
ONE_OF: Final = "give either name or class_path"
