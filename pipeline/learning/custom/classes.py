"""Find a user's class by its path, check it against the study's space, and construct it."""

import importlib
import inspect
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch

from pipeline.config import StudyConfig, TrialConfig
from pipeline.config.sections import parameters_of
from pipeline.errors import BadInputError
from pipeline.learning.custom.loaders import DataArguments
from pipeline.learning.failures import describe_user_failure
from pipeline.learning.lightning import LightningDataModule, LightningModule

Section = Literal["model", "data"]

ANCESTORS: Final[dict[Section, type]] = {"model": LightningModule, "data": LightningDataModule}
BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class CustomClass:
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


def find_class(path: str, section: Section, *, where: str) -> CustomClass:
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
    got = f"{path}, whose import raises {describe_user_failure(error, path)}"
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


def _described(path: str, cls: type) -> CustomClass:
    parameters = inspect.signature(cls).parameters.values()
    named = [one for one in parameters if one.kind in BY_NAME]
    return CustomClass(
        path=path,
        cls=cls,
        names=tuple(one.name for one in named),
        required=tuple(one.name for one in named if one.default is inspect.Parameter.empty),
        is_open=any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters),
    )


FROM_DATA: Final = ("n_classes", "n_inputs", "image_shape")
"""What a module's constructor may ask for by name where the space does not set it."""


def build(own: CustomClass, params: Mapping[str, Any], known: DataArguments | None = None) -> Any:
    """Construct a user's class.

    Args:
        own: The class.
        params: The trial's parameters; those that the constructor takes are given to it.
        known: What the data knows, asked only where the constructor names it.
    """
    given = {name: value for name, value in params.items() if own.takes(name)}
    asked = {
        name: tell()
        for name, tell in (known or {}).items()
        if name in own.names and name not in given
    }
    return own.cls(**given, **asked)


BATCH_SIZE = "batch_size"


def check_custom(config: StudyConfig, where: str) -> None:
    """Import the user's classes and hold the space against their constructors.

    Args:
        config: The study.
        where: What an error names: the study file.

    Raises:
        BadInputError: A class cannot be used, a parameter of the space is nobody's, or a
            constructor asks for one that the space does not have.
    """
    found = {
        section: find_class(path, section, where=where)
        for section, path in _paths(config).items()
        if path
    }
    if not found:
        return
    if getattr(config.data, "folds", None):
        expected = "no folds, since they are trained by the built-in models only"
        raise BadInputError(
            where=where, key="data.folds", got=str(config.data.folds), expected=expected
        )
    _check_known(config, list(found.values()), where=where)
    for section, own in found.items():
        _check_complete(config, own, section, where=where)


def check_custom_trial(config: TrialConfig, where: str) -> None:
    """Import the user's classes that a recorded trial names.

    Raises:
        BadInputError: A class cannot be used.
    """
    for section, path in _paths(config).items():
        if path:
            find_class(path, section, where=where)


def check_has_test(path: str, where: str) -> None:
    """Refuse a data module that has no test rows.

    Raises:
        BadInputError: It cannot be used, or does not define ``test_dataloader``.
    """
    own = find_class(path, "data", where=where)
    if own.cls.test_dataloader is LightningDataModule.test_dataloader:
        expected = "a data module with a test_dataloader"
        raise BadInputError(where=where, key="data.class_path", got=path, expected=expected)


def _paths(config: StudyConfig | TrialConfig) -> dict[Section, str | None]:
    return {"model": config.model.class_path, "data": config.data.class_path}


def _check_known(config: StudyConfig, classes: list[CustomClass], *, where: str) -> None:
    """Refuse a parameter that nobody takes."""
    built_in = parameters_of(config.model, config.data)
    for name in config.space.domains:
        if built_in.find(name) is None and not any(own.takes(name) for own in classes):
            names = dict.fromkeys([BATCH_SIZE, *(name for own in classes for name in own.names)])
            takers = " and ".join(own.path for own in classes)
            got = f"a parameter that {takers} {'do' if len(classes) > 1 else 'does'} not take"
            expected = f"one of {', '.join(names)}"
            raise BadInputError(where=where, key=f"space.{name}", got=got, expected=expected)


def _check_complete(config: StudyConfig, own: CustomClass, section: Section, *, where: str) -> None:
    """Refuse a space that leaves out what a constructor must have."""
    known = (*config.space.domains, *(FROM_DATA if section == "model" else ()))
    for name in own.required:
        if name not in known:
            expected = f"a value, which the constructor of {own.path} asks for"
            raise BadInputError(where=where, key=f"space.{name}", got="nothing", expected=expected)


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch.

    Args:
        seed: In [0, 2**64 - 1]; NumPy's takes its lower half.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's code may draw from it
    torch.manual_seed(seed)
