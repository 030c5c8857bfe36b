"""Where a user's class would be imported from; finding out runs nothing of it."""

import sys
import sysconfig
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Final

from pipeline.errors import BadInputError

INSTALLED: Final = tuple(
    Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")
)
"""Where Python and its packages are."""
PROGRAM: Final = "__main__"
PACKAGES: Final = ("site-packages", "dist-packages")


def is_installed(path: Path) -> bool:
    """Whether a file came with Python or one of its packages."""
    return any(path.is_relative_to(folder) for folder in INSTALLED)


def source_files(
    class_path: str, folders: Sequence[Path], *, where: str, key: str
) -> tuple[Path, ...]:
    """Find the files that importing a class runs first: its packages' and its module's.

    Python's own way to find ``a.b`` runs ``a``; this only looks.

    Args:
        class_path: ``my_package.my_module.MyClass``.
        folders: Where it is looked for beside Python's own places.
        where: What an error names.
        key: The class path's key.

    Returns:
        The files that there are, the outermost package's first.

    Raises:
        BadInputError: The module is a package's program, or of Python's own library. No such class
            is there, and some of these do things when they are imported.
    """
    expected = "a class of your own or of an installed package"
    first, *rest = class_path.split(".")[:-1]
    if PROGRAM in rest:
        raise BadInputError(where=where, key=key, got=f"{class_path}, a program", expected=expected)
    specs = [_outermost(first, folders)]
    if specs[0] is not None and _is_of_python(specs[0]):
        got = f"{class_path}, of Python's own library"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    for name in rest:
        inside = specs[-1] and specs[-1].submodule_search_locations
        specs.append(PathFinder.find_spec(name, list(inside)) if inside else None)
    # A folder without __init__.py has no loader, since nothing of it is run.
    return tuple(Path(spec.origin or spec.name).resolve() for spec in specs if spec and spec.loader)


def _outermost(name: str, folders: Sequence[Path]) -> ModuleSpec | None:
    """Ask all that Python asks: a package under development may be found by a hook."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            return spec
    return PathFinder.find_spec(name, [str(folder.resolve()) for folder in folders])


def _is_of_python(spec: ModuleSpec) -> bool:
    if spec.origin in ("built-in", "frozen"):
        return True
    path = Path(spec.origin or "").resolve()
    is_below = path.is_relative_to(Path(sysconfig.get_path("stdlib")).resolve())
    return is_below and not set(PACKAGES) & set(path.parts)
