"""The files of a user's classes: where they are searched, what importing runs, their digests."""

import functools
import hashlib
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Final

from pipeline.errors import BadInputError


def extend_search_path(*folders: Path) -> None:
    """Look for modules in these folders too, after all others.

    ``python -m pipeline`` searches the working folder and the console script does not; here both
    do. A worker searches where the driver that starts it does. The folders come last, so that a
    file of the user's never takes the place of a package that this project needs.

    Args:
        folders: The working folder, the study file's.
    """
    known = {Path(entry).resolve() for entry in sys.path}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        if folder.is_dir() and folder not in known:
            sys.path.append(str(folder))


INSTALLED: Final = tuple(
    Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")
)
"""The folders of Python and its packages."""
PACKAGE: Final = Path(__file__).resolve().parents[2]
"""This project's own."""
PROGRAM: Final = "__main__"
PACKAGES: Final = ("site-packages", "dist-packages")


def is_installed(path: Path) -> bool:
    """Whether a file came with Python or one of its packages."""
    return any(path.is_relative_to(folder) for folder in INSTALLED)


LIGHTNING: Final = {
    "lightning.pytorch": "pytorch_lightning",
    "lightning.fabric": "lightning_fabric",
}
"""Packages of ``lightning`` by the names under which their modules are imported here."""


def own_name(path: str) -> str:
    """A dotted path with Lightning's own package in place of its twin: see ``namespaces``.

    >>> own_name("lightning.pytorch.callbacks.Timer"), own_name("lightning_lab.Net")
    ('pytorch_lightning.callbacks.Timer', 'lightning_lab.Net')
    """
    for twin, own in LIGHTNING.items():
        if f"{path}.".startswith(f"{twin}."):
            return own + path.removeprefix(twin)
    return path


def source_files(
    class_path: str, folders: Sequence[Path], *, where: str, key: str
) -> tuple[Path, ...]:
    """Find the files that importing a class runs first: its packages' and its module's.

    Python's own way to find ``a.b`` runs ``a``; this only looks.

    Args:
        class_path: ``my_package.my_module.MyClass``.
        folders: Searched beside Python's own search path.
        where: What an error names.
        key: The class path's key.

    Returns:
        The files that there are, the outermost package's first.

    Raises:
        BadInputError: The module is a package's program, or of Python's own library. No such class
            is there, and some of these do things when they are imported. Or this package hides it.
    """
    first, *rest = own_name(class_path).split(".")[:-1]
    if PROGRAM in rest:
        raise BadInputError(where=where, key=key, problem=f"{class_path} is in a program")
    _refuse_hidden(first, folders, where=where, key=key)
    specs = [_outermost(first, folders)]
    if specs[0] is not None and _is_of_python(specs[0]):
        problem = f"{class_path} is of Python's own library"
        raise BadInputError(where=where, key=key, problem=problem)
    for name in rest:
        inside = specs[-1] and specs[-1].submodule_search_locations
        specs.append(PathFinder.find_spec(name, list(inside)) if inside else None)
    # A folder without __init__.py has no loader, since nothing of it is run.
    return tuple(Path(spec.origin or spec.name).resolve() for spec in specs if spec and spec.loader)


def _refuse_hidden(first: str, folders: Sequence[Path], *, where: str, key: str) -> None:
    """Refuse a class in a file of the user's that has the name of this package.

    Raises:
        BadInputError: Naming the file.
    """
    if first != PACKAGE.name:
        return
    for folder in folders:
        for file in (folder / f"{first}.py", folder / first / "__init__.py"):
            if file.is_file() and file.resolve().parent != PACKAGE:
                problem = f"{file} is hidden by this project's package {first!r}; rename the file"
                raise BadInputError(where=where, key=key, problem=problem)


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


@functools.cache
def custom_sources(*classes: type) -> dict[str, str]:
    """SHA-256 of each source file that the classes come from, by its path below their folder.

    Of a module, that is its file; of a package, every ``.py`` of it, unless it is installed in
    ``site-packages``. What the classes' modules imported from the same folder is counted as well.
    It is looked up once a process, as soon as the classes are imported: what is imported later,
    by one trial and not by another, is left out.
    """
    found: dict[str, str] = {}
    for cls in classes:
        root, files = _files(cls)
        for path in sorted(files):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.relative_to(root).as_posix()] = digest
    return found


def _files(cls: type) -> tuple[Path, set[Path]]:
    """The folder in which a class's top-level module lies, and the source files below it."""
    file = getattr(sys.modules[cls.__module__], "__file__", None)
    if file is None:
        return Path(), set()
    path = Path(file).resolve()
    package = _package(cls, path)
    root = path.parent if package is None else package.parent
    if is_installed(path):
        return root, {path}
    files = set(_imported_from(root)) | {path}
    return root, files if package is None else files | set(package.rglob("*.py"))


def _package(cls: type, path: Path) -> Path | None:
    """The outermost regular package of a module; namespace packages have no file."""
    folders = [path.parent, *path.parents[1 : len(cls.__module__.split("."))]]
    packages = [folder for folder in folders if (folder / "__init__.py").is_file()]
    return packages[-1] if packages else None


def _imported_from(root: Path) -> Iterator[Path]:
    """Files of imported modules that lie in a folder; torch has modules that name no real file."""
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "")
        if path.suffix == ".py" and path.is_absolute() and path.resolve().parent == root:
            yield path.resolve()
