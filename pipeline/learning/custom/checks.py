"""A study's space and Trainer, checked against the user's classes before anything is written."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.config import StudyConfig, TrialConfig
from pipeline.config.arguments import fault_of_name
from pipeline.config.sections import parameters_of
from pipeline.config.space.domain import when_of
from pipeline.errors import BadInputError
from pipeline.learning.custom.classes import (
    FROM_DATA,
    CustomClass,
    Section,
    find_class,
    find_classes,
    find_objects,
    takes,
)
from pipeline.learning.custom.datamodule import arguments_of, flat_loaders, open_module
from pipeline.learning.custom.own_callbacks import make_callbacks
from pipeline.learning.failures import describe_user_failure
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
    find_objects(config, where=where)
    _check_data_arguments(config, found.get("data"), where=where)
    _check_taken(config, found, where=where)
    for section, custom in found.items():
        _check_init_args(config, custom, section, where=where)
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


def faults_of_machine(config: TrialConfig) -> list[str]:
    """Name what a machine that is to train lacks: a class, or what the data module reads.

    The data module is set up for fitting, and a batch of each loader is read.

    Args:
        config: A trial of the study.
    """
    path = config.data.class_path
    try:
        find_classes(config, "node")
        find_objects(config, where="node")
        if path is not None:
            _read_first_batches(open_module(path, arguments_of(config), seed=config.seeds["split"]))
    except BadInputError as error:
        return [f"{error.key}: {error.problem}"]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's code may raise anything
        return [f"reading {path} raises {describe_user_failure(error, str(path))}"]
    return []


def _read_first_batches(module: LightningDataModule) -> None:
    for loaders in (module.train_dataloader(), module.val_dataloader()):
        for loader in flat_loaders(loaders):
            next(iter(loader), None)


def _check_data_arguments(config: StudyConfig, custom: CustomClass | None, *, where: str) -> None:
    """Refuse workers of a loader that the data module does not ask for."""
    for name in config.training.data_arguments:
        if name in config.space.arguments:
            problem = "it is in the space too"
        elif custom is None or not custom.takes(name):
            problem = f"not taken by the constructor of {config.data.class_path}"
        else:
            continue
        raise BadInputError(where=where, key=f"training.trainer.{name}", problem=problem)


def _check_taken(
    config: StudyConfig, classes: Mapping[Section, CustomClass], *, where: str
) -> None:
    """Refuse a parameter that nobody takes."""
    built_in, space = parameters_of(config.model, config.data), config.space
    beside = {*space.layered.values(), *space.of_training}  # a list has its length
    for name in space.arguments:
        is_beside = built_in.find(name) is not None or name in beside
        if is_beside or any(
            takes(custom, _init_args(config, section), name) for section, custom in classes.items()
        ):
            continue
        there = [BATCH_SIZE, *(name for one in classes.values() for name in one.names)]
        takers = " or ".join(custom.path for custom in classes.values())
        problem = f"not an argument of {takers}; there are {', '.join(dict.fromkeys(there))}"
        raise BadInputError(where=where, key=f"space.{name}", problem=problem)


def _init_args(config: StudyConfig, section: Section) -> Mapping[str, Any]:
    given = config.model.init_args if section == "model" else config.data.init_args
    return given or {}


def _check_init_args(
    config: StudyConfig, custom: CustomClass, section: Section, *, where: str
) -> None:
    """Refuse arguments that the constructor does not take, and parameters that miss or meet one."""
    given = _init_args(config, section)
    for name in given:
        if not custom.takes(name):
            problem = f"not an argument of {custom.path}; there are {', '.join(custom.names)}"
            raise BadInputError(where=where, key=f"{section}.init_args.{name}", problem=problem)
    for name in config.space.arguments:
        if takes(custom, given, name) and (fault := fault_of_name(given, name)):
            problem = f"{fault} ({section}.init_args)"
            raise BadInputError(where=where, key=f"space.{name}", problem=problem)


def _check_complete(
    config: StudyConfig, custom: CustomClass, section: Section, *, where: str
) -> None:
    """Refuse a space that leaves out what a constructor must have, in all trials or in some."""
    beside = FROM_DATA if section == "model" else config.training.data_arguments
    known = (*config.space.arguments, *beside, *_init_args(config, section))
    for name in custom.required:
        if name not in known:
            problem = f"missing, and the constructor of {custom.path} has no default for it"
            raise BadInputError(where=where, key=f"space.{name}", problem=problem)
        if when_of(config.space.given.get(name)):
            problem = f"not allowed, since the constructor of {custom.path} has no default for it"
            raise BadInputError(where=where, key=f"space.{name}.when", problem=problem)
