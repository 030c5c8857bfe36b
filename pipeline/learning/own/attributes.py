"""What a user's objects remember in plain attributes: read, and put back into fresh objects.

A ``state_dict`` holds what the user's code says it holds, and that is not always all: a counter, a
temperature, a list of past losses. So every attribute that may change is read. What cannot be read
for certain raises, and its trial is trained anew: a guess could change a result.
"""

import inspect
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.config import Frozen
from pipeline.learning.checkpoints.codec import NotPlainError, check_plain
from pipeline.learning.lightning import LightningDataModule, LightningModule, Trainer

CODE: Final = (type, FunctionType, BuiltinFunctionType)
FIXED: Final = (
    *(MethodType, ModuleType, partial, torch.dtype, torch.device, torch.Size),
    *(inspect.Signature, re.Pattern, PurePath, Enum, Trainer, LightningDataModule, Frozen),
)
"""What does not change while a trial is trained; beside the user's data, which is assumed so."""
MAPPINGS: Final = (dict, OrderedDict, type(LightningModule().hparams))
OF_EVERY_MODULE: Final = frozenset(vars(LightningModule())) - {
    "training",
    "_automatic_optimization",
}
OF_EVERY_OPTIMIZER: Final = frozenset({"state", "param_groups", "defaults"})

Tree = dict[str, Any]
"""A holder's type and its parts by name: the plain, the fixed, and the trees of all others."""


class _Bare:
    """An object without anything behind its attributes."""


class Attributes:
    """The attributes of a module, of its submodules, and of all objects that these hold.

    Args:
        module: The module.
        others: Objects that take part in its training as well.
    """

    def __init__(self, module: LightningModule, others: Iterable[object]) -> None:
        """Look at nothing yet."""
        self._roots = [*module.modules(), *others]
        known = [*self._roots, *module.parameters(), *module.buffers()]
        self._known = {id(one): place for place, one in enumerate(known)}
        self._memory = {
            one.untyped_storage().data_ptr() for one in known if isinstance(one, Tensor)
        }

    def read(self) -> list[Tree]:
        """Read them.

        Raises:
            NotPlainError: Something cannot be read for certain.
        """
        seen: set[int] = set()
        return [self._tree(root, seen) for root in self._roots]

    def put_back(self, trees: Sequence[Tree]) -> None:
        """Set them to what was read, as far as these are equal objects: ``read`` tells if so."""
        for root, tree in zip(self._roots, trees, strict=False):
            _put_back(root, tree)

    def _tree(self, holder: object, seen: set[int]) -> Tree:
        plain, fixed, held = {}, {}, {}
        for name, value in sorted(parts_of(holder).items(), key=lambda part: str(part[0])):
            told = self._told(value)
            if told is not None:
                fixed[name] = told
            elif self._is_plain(value, seen):
                plain[name] = value
            elif id(value) in seen:
                message = f"{name}: a {type(value).__name__} that two hold"
                raise NotPlainError(message)
            else:
                seen.add(id(value))
                held[name] = self._tree(value, seen)
        return {"type": _name(type(holder)), "plain": plain, "fixed": fixed, "held": held}

    def _told(self, value: object) -> str | None:
        """What does not change, or is kept elsewhere, in words; ``None`` of all else."""
        if id(value) in self._known:
            return f"part {self._known[id(value)]}"
        if isinstance(value, CODE):
            return _name(value)
        return _name(type(value)) if isinstance(value, FIXED) else None

    def _is_plain(self, value: object, seen: set[int]) -> bool:
        within = seen | self._known.keys()
        try:
            check_plain(value, within, self._check_tensor)
        except NotPlainError:
            return False
        seen |= within - self._known.keys()
        return True

    def _check_tensor(self, value: Tensor) -> None:
        """Refuse a tensor that is more than its values: of a graph, or a view of a weight."""
        if value.requires_grad or value.untyped_storage().data_ptr() in self._memory:
            message = "a tensor of a graph, or of another's memory"
            raise NotPlainError(message)


def parts_of(holder: object) -> dict[Any, Any]:
    """What an object holds, by name, key or place; what every module has is left out.

    Raises:
        NotPlainError: It may hold more than can be seen.
    """
    if isinstance(holder, nn.Module):
        return _without(vars(holder), OF_EVERY_MODULE)
    if isinstance(holder, Optimizer):
        own = _without(vars(holder), OF_EVERY_OPTIMIZER)
        return {name: value for name, value in own.items() if not name.startswith("_optimizer_")}
    if type(holder) in MAPPINGS:
        assert isinstance(holder, Mapping)  # noqa: S101 - for the type checker
        return dict(holder)
    if type(holder) in (list, tuple):
        assert isinstance(holder, Sequence)  # noqa: S101 - for the type checker
        return dict(enumerate(holder))
    if hasattr(holder, "__dict__") and type(holder).__basicsize__ == _Bare.__basicsize__:
        return vars(holder)
    message = f"a {type(holder).__name__}"
    raise NotPlainError(message)


def _put_back(holder: Any, tree: Tree) -> None:
    there = parts_of(holder)
    for name in there.keys() - tree["plain"].keys() - tree["fixed"].keys() - tree["held"].keys():
        _drop(holder, name)
    for name, value in tree["plain"].items():
        _set(holder, name, value)
    for name, held in tree["held"].items():
        if name in there:
            _put_back(there[name], held)


def _set(holder: Any, name: Any, value: Any) -> None:
    if isinstance(holder, list | dict):
        holder[name] = value
    elif not isinstance(holder, tuple):
        vars(holder)[name] = value


def _drop(holder: Any, name: Any) -> None:
    if isinstance(holder, dict):
        del holder[name]
    elif not isinstance(holder, list | tuple):
        del vars(holder)[name]


def _without(parts: Mapping[str, Any], names: frozenset[str]) -> dict[Any, Any]:
    return {name: value for name, value in parts.items() if name not in names}


def _name(code: Any) -> str:
    return f"{code.__module__}.{code.__qualname__}"
