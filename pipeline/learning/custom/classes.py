"""Find a user's class by its path, check it against the study's space, and construct it."""

import importlib
import inspect
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import torch

from pipeline.config import StudyConfig, TrialConfig
from pipeline.config.arguments import with_params
from pipeline.config.sections import objects_of_sections
from pipeline.errors import BadInputError
from pipeline.learning.custom.loaders import DataArguments
from pipeline.learning.custom.namespaces import is_derived, unite_lightning
from pipeline.learning.failures import describe_user_failure
from pipeline.learning.lightning import Callback, LightningDataModule, LightningModule

Section = Literal["model", "data", "callback", "object"]

ANCESTORS: Final[dict[Section, type]] = {
    "model": LightningModule,
    "data": LightningDataModule,
    "callback": Callback,
    "object": object,
}
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


def find_class(path: str, section: Section, *, where: str, key: str | None = None) -> CustomClass:
    """Import a user's class.

    Args:
        path: ``my_package.my_module.MyClass``.
        section: What it is; says what it must derive from.
        where: What an error names.
        key: Of the path in the study file; by default that of the section.

    Raises:
        BadInputError: It cannot be imported, or is something else; nothing of it was called.
    """
    key = key or f"{section}.class_path"
    module_name, _, name = path.rpartition(".")
    module = _import(path, module_name, where=where, key=key)
    found = getattr(module, name, None)
    ancestor = ANCESTORS[section]
    if not (isinstance(found, type) and is_derived(found, ancestor)):
        file = getattr(module, "__file__", None) or module_name
        problem = (
            f"{path} {_what_it_is(module, name)} ({file}); "
            f"it must derive from Lightning's {ancestor.__name__}"
        )
        raise BadInputError(where=where, key=key, problem=problem)
    return _described(path, found)


def _import(path: str, module_name: str, *, where: str, key: str) -> Any:
    unite_lightning()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            problem = (
                f"no module {error.name} of {path} in the working folder, the study file's folder, "
                "the folders of PYTHONPATH and the installed packages"
            )
            raise BadInputError(where=where, key=key, problem=problem) from None
        raise _broken(path, error, where=where, key=key) from error
    except (Exception, SystemExit) as error:  # a user's module may do anything when it is imported
        raise _broken(path, error, where=where, key=key) from error


def _broken(path: str, error: BaseException, *, where: str, key: str) -> BadInputError:
    problem = f"importing {path} raises {describe_user_failure(error, path)}"
    return BadInputError(where=where, key=key, problem=problem)


def _what_it_is(module: Any, name: str) -> str:
    if not hasattr(module, name):
        return "is not in its module"
    found = getattr(module, name)
    if not isinstance(found, type):
        return f"is no class but of type {type(found).__name__}"
    return f"derives from {', '.join(base.__name__ for base in found.__bases__)}"


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


def given_to(
    custom: CustomClass, params: Mapping[str, Any], init_args: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The arguments that a study gives a class, its objects not constructed yet.

    Args:
        custom: The class.
        params: The trial's parameters; those that the constructor takes count, and those that reach
            into what ``init_args`` give.
        init_args: Of the study file's section.
    """
    fixed = init_args or {}
    own = {name: value for name, value in params.items() if takes(custom, fixed, name)}
    return with_params(fixed, own)


def takes(custom: CustomClass, init_args: Mapping[str, Any], name: str) -> bool:
    """Whether a parameter of the space is one of a class, or of what its arguments hold."""
    outer, dot, _ = name.partition(".")
    return outer in init_args if dot else custom.takes(name)


def build(
    custom: CustomClass, arguments: Mapping[str, Any], of_data: DataArguments | None = None
) -> Any:
    """Construct a user's class.

    Args:
        custom: The class.
        arguments: From ``given_to``.
        of_data: Arguments that the data gives, worked out only where the constructor names them.
    """
    given = {name: construct(value) for name, value in arguments.items()}
    asked = {
        name: work_out()
        for name, work_out in (of_data or {}).items()
        if name in custom.names and name not in given
    }
    return custom.cls(**given, **asked)


def construct(value: Any) -> Any:
    """Construct the objects in an argument, the innermost first; a partial one is called later."""
    match value:
        case {"class_path": str(path)}:
            inside = construct(value.get("init_args", {}))
            make = partial(find_class(path, "object", where="trial").cls, **inside)
            return make if value.get("partial") else make()
        case Mapping():
            return {name: construct(one) for name, one in value.items()}
        case list():
            return [construct(one) for one in value]
    return value


def find_objects(config: StudyConfig | TrialConfig, *, where: str) -> list[CustomClass]:
    """Import the classes of the objects in ``init_args``.

    Raises:
        BadInputError: One cannot be used.
    """
    return [
        find_class(path, "object", where=where, key=key)
        for key, path in objects_of_sections(config.model, config.data)
    ]


def find_classes(config: StudyConfig | TrialConfig, where: str) -> dict[Section, CustomClass]:
    """Import the user's classes that a study or a recorded trial names.

    Args:
        config: The study or the trial.
        where: What an error names.

    Raises:
        BadInputError: A class cannot be used.
    """
    paths: dict[Section, str | None] = {
        "model": config.model.class_path,
        "data": config.data.class_path,
    }
    return {
        section: find_class(path, section, where=where) for section, path in paths.items() if path
    }


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch.

    Args:
        seed: In [0, 2**64 - 1]; NumPy's takes its lower half.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's code may draw from it
    torch.manual_seed(seed)
