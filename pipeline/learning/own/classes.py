"""Find a user's class by its path, and make sure that it is what it is said to be."""

import importlib
import inspect
import sys
from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.errors import BadInputError
from pipeline.learning.lightning import LightningDataModule, LightningModule
from pipeline.learning.own.faults import own_fault

Section = Literal["model", "data"]

ANCESTORS: Final[dict[Section, type]] = {"model": LightningModule, "data": LightningDataModule}
BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class OwnClass:
    """A class of the user's, known to be a ``LightningModule`` or ``LightningDataModule``.

    Attributes:
        path: Its class path in the study file.
        names: What its constructor takes by name.
        required: What of that has no default.
        is_open: Whether it takes any other argument too (``**kwargs``).
    """

    path: str
    cls: Any
    names: tuple[str, ...]
    required: tuple[str, ...]
    is_open: bool

    def takes(self, name: str) -> bool:
        """Whether the constructor takes an argument of this name."""
        return self.is_open or name in self.names


def find_class(path: str, section: Section, *, where: str) -> OwnClass:
    """Import a user's class.

    Args:
        path: ``my_package.my_module.MyClass``.
        section: The study file's section that names it; says what it must derive from.
        where: What an error names.

    Raises:
        BadInputError: It cannot be imported, or is something else; nothing of it was called.
    """
    key = f"{section}.class_path"
    module_name, _, name = path.rpartition(".")
    module = _import(path, module_name, where=where, key=key)
    place = getattr(module, "__file__", None) or module_name
    found = getattr(module, name, None)
    ancestor = ANCESTORS[section]
    if not (isinstance(found, type) and issubclass(found, ancestor)):
        expected = f"a class that derives from pytorch_lightning's {ancestor.__name__}"
        got = f"{path}, {_what_it_is(module, name)} ({place})"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    return _described(path, found)


def _import(path: str, module_name: str, *, where: str, key: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            got = f"{path}, whose module {error.name} is not found"
            expected = (
                "a module in the working folder, the study file's folder, a folder of PYTHONPATH "
                "or an installed package"
            )
            raise BadInputError(where=where, key=key, got=got, expected=expected) from None
        raise _broken(path, error, where=where, key=key) from error
    except (Exception, SystemExit) as error:  # a user's module may do anything when it is imported
        raise _broken(path, error, where=where, key=key) from error


def _broken(path: str, error: BaseException, *, where: str, key: str) -> BadInputError:
    got = f"{path}, whose import raises {own_fault(error, path)}"
    return BadInputError(where=where, key=key, got=got, expected="a module that can be imported")


def _what_it_is(module: Any, name: str) -> str:
    if not hasattr(module, name):
        return f"and there is no {name} in that module"
    found = getattr(module, name)
    if not isinstance(found, type):
        return f"which is no class but of type {type(found).__name__}"
    if any(ancestor.__module__.startswith("lightning.") for ancestor in found.__mro__):
        return "which derives from the package `lightning`: import pytorch_lightning instead of it"
    return f"which derives from {', '.join(base.__name__ for base in found.__bases__)}"


def _described(path: str, cls: type) -> OwnClass:
    parameters = inspect.signature(cls).parameters.values()
    named = [one for one in parameters if one.kind in BY_NAME]
    return OwnClass(
        path=path,
        cls=cls,
        names=tuple(one.name for one in named),
        required=tuple(one.name for one in named if one.default is inspect.Parameter.empty),
        is_open=any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters),
    )


def module_of(cls: type) -> Any:
    """The module that defines a class."""
    return sys.modules[cls.__module__]
