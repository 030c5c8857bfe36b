"""A study's space and Trainer, checked against the user's classes before anything is written."""

from typing import Final

from pipeline.config import StudyConfig
from pipeline.config.sections import parameters_of
from pipeline.errors import BadInputError
from pipeline.learning.custom.classes import (
    FROM_DATA,
    CustomClass,
    Section,
    find_class,
    find_classes,
)
from pipeline.learning.custom.own_callbacks import make_callbacks
from pipeline.learning.lightning import LightningDataModule

BATCH_SIZE: Final = "batch_size"


def check_custom(config: StudyConfig, where: str) -> None:
    """Import the user's classes and check the space against their constructors.

    Args:
        config: The study.
        where: What an error names: the study file.

    Raises:
        BadInputError: A class cannot be used, a parameter of the space is nobody's, or a
            constructor asks for one that the space does not have.
    """
    found = find_classes(config, where)
    if not found:
        return
    if config.data.folds:
        problem = "folds are trained by the built-in models only"
        raise BadInputError(where=where, key="data.folds", problem=problem)
    _check_taken(config, list(found.values()), where=where)
    for section, custom in found.items():
        _check_complete(config, custom, section, where=where)
    make_callbacks(config.training, where=where)


def check_has_test(path: str, where: str) -> None:
    """Refuse a data module that has no test rows.

    Raises:
        BadInputError: It cannot be used, or does not define ``test_dataloader``.
    """
    custom = find_class(path, "data", where=where)
    if custom.cls.test_dataloader is LightningDataModule.test_dataloader:
        problem = f"{path} has no test_dataloader, which confirming needs"
        raise BadInputError(where=where, key="data.class_path", problem=problem)


def _check_taken(config: StudyConfig, classes: list[CustomClass], *, where: str) -> None:
    """Refuse a parameter that nobody takes, and workers of a loader that the module decides on."""
    of_data = [one for one in classes if one.path == config.data.class_path]
    for name in config.training.data_arguments:
        if not all(one.takes(name) for one in of_data) or name in config.space.domains:
            where_else = "searched in the space" if name in config.space.domains else "not taken"
            problem = f"{where_else} by the constructor of {config.data.class_path}"
            raise BadInputError(where=where, key=f"training.trainer.{name}", problem=problem)
    built_in = parameters_of(config.model, config.data)
    for name in config.space.domains:
        if built_in.find(name) is None and not any(custom.takes(name) for custom in classes):
            names = dict.fromkeys([BATCH_SIZE, *(name for one in classes for name in one.names)])
            takers = " or ".join(custom.path for custom in classes)
            problem = f"not an argument of {takers}; there are {', '.join(names)}"
            raise BadInputError(where=where, key=f"space.{name}", problem=problem)


def _check_complete(
    config: StudyConfig, custom: CustomClass, section: Section, *, where: str
) -> None:
    """Refuse a space that leaves out what a constructor must have."""
    beside = FROM_DATA if section == "model" else config.training.data_arguments
    known = (*config.space.domains, *beside)
    for name in custom.required:
        if name not in known:
            problem = f"missing, and the constructor of {custom.path} has no default for it"
            raise BadInputError(where=where, key=f"space.{name}", problem=problem)
