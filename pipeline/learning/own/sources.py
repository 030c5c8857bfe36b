"""The user's own source files: what a reproduction compares beside the project's."""

import functools
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.learning.own.classes import module_of
from pipeline.learning.own.origin import is_installed


@functools.cache
def own_sources(*classes: type) -> dict[str, str]:
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
    file = getattr(module_of(cls), "__file__", None)
    if file is None:
        return Path(), set()
    path = Path(file).resolve()
    package = _package(cls, path)
    root = path.parent if package is None else package.parent
    if is_installed(path):
        return root, {path}
    own = set(_imported_from(root)) | {path}
    return root, own if package is None else own | set(package.rglob("*.py"))


def _package(cls: type, path: Path) -> Path | None:
    """The outermost regular package that a module stands in; namespaces have no file."""
    folders = [path.parent, *path.parents[1 : len(cls.__module__.split("."))]]
    packages = [folder for folder in folders if (folder / "__init__.py").is_file()]
    return packages[-1] if packages else None


def _imported_from(root: Path) -> Iterator[Path]:
    """Files of imported modules that lie in a folder; torch has modules that name no real file."""
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "")
        if path.suffix == ".py" and path.is_absolute() and path.resolve().parent == root:
            yield path.resolve()
