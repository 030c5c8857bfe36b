"""Lightning under both of its names: ``lightning.pytorch`` is ``pytorch_lightning`` here.

The two packages hold the same code twice, and a ``Trainer`` of one refuses a module of the other
(https://github.com/Lightning-AI/pytorch-lightning/issues/19252). A user's module may import either;
so that one Trainer fits both, what it imports as ``lightning`` is given from ``pytorch_lightning``,
whether the package ``lightning`` is installed or not.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

from pipeline.learning.custom.sources import own_name
from pipeline.learning.lightning import lightning_fabric, pytorch_lightning

ROOT: Final = "lightning"
PARTS: Final = {"pytorch": pytorch_lightning, "fabric": lightning_fabric}
"""What ``lightning`` holds, by its name there."""
EXPORTED: Final = (
    *("Callback", "LightningDataModule", "LightningModule", "Trainer"),
    *("seed_everything", "__version__"),
)


class _Alias(Loader):
    """Gives a module that has been imported under its own name; nothing is executed twice."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Give the module itself."""
        del spec
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module back its own spec, which the import system has just replaced."""
        module.__spec__ = self._spec


class OneLightning(MetaPathFinder):
    """Finds ``lightning`` and all below it in ``pytorch_lightning`` and ``lightning_fabric``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module under its other name; ``None`` where it has none."""
        del path, target
        root, _, rest = fullname.partition(".")
        if root != ROOT:
            return None
        module = _import(rest) if rest else _root()
        return None if module is None else ModuleSpec(fullname, _Alias(module), is_package=True)


def _import(rest: str) -> ModuleType | None:
    """Import ``lightning.<rest>`` under its own name; ``None`` where there is no such module."""
    name = own_name(f"{ROOT}.{rest}")
    is_there = not name.startswith(f"{ROOT}.") and importlib.util.find_spec(name)
    return importlib.import_module(name) if is_there else None


def _root() -> ModuleType:
    """What ``import lightning as L`` gives: the names of its ``__init__``."""
    exported = {name: getattr(pytorch_lightning, name) for name in EXPORTED}
    exported["Fabric"] = lightning_fabric.Fabric
    root = ModuleType(ROOT, pytorch_lightning.__doc__)
    vars(root).update(PARTS | exported, __all__=list(exported), __path__=[])
    return root


def unite_lightning() -> None:
    """Let ``lightning`` mean ``pytorch_lightning`` in this process from now on.

    Where the real package was imported before, by a notebook say, it stays: a class of its is known
    by ``is_derived``, and is trained in a worker, a process of its own.
    """
    if ROOT not in sys.modules and not any(isinstance(one, OneLightning) for one in sys.meta_path):
        sys.meta_path.insert(0, OneLightning())


def is_derived(cls: type, ancestor: type) -> bool:
    """Whether a class derives from Lightning's, or from its twin in the other package."""
    names = {_own_name(base) for base in cls.__mro__}
    return issubclass(cls, ancestor) or _own_name(ancestor) in names


def _own_name(cls: type) -> str:
    """A class's name, as it is in ``pytorch_lightning``."""
    return f"{own_name(cls.__module__)}.{cls.__qualname__}"
