"""Check a user's classes against the study's space before anything is written."""

from pipeline.config import StudyConfig, TrialConfig
from pipeline.config.grammars import grammar_of
from pipeline.errors import BadInputError
from pipeline.learning.lightning import LightningDataModule
from pipeline.learning.own.arguments import FROM_DATA
from pipeline.learning.own.classes import OwnClass, Section, find_class

BATCH_SIZE = "batch_size"


def check_own(config: StudyConfig, where: str) -> None:
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


def check_own_trial(config: TrialConfig, where: str) -> None:
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


def _check_known(config: StudyConfig, classes: list[OwnClass], *, where: str) -> None:
    """Refuse a parameter that nobody takes."""
    built_in = grammar_of(config.model, config.data)
    for name in config.space.domains:
        if built_in.find(name) is None and not any(own.takes(name) for own in classes):
            names = dict.fromkeys([BATCH_SIZE, *(name for own in classes for name in own.names)])
            takers = " and ".join(own.path for own in classes)
            got = f"a parameter that {takers} {'do' if len(classes) > 1 else 'does'} not take"
            expected = f"one of {', '.join(names)}"
            raise BadInputError(where=where, key=f"space.{name}", got=got, expected=expected)


def _check_complete(config: StudyConfig, own: OwnClass, section: Section, *, where: str) -> None:
    """Refuse a space that leaves out what a constructor must have."""
    known = (*config.space.domains, *(FROM_DATA if section == "model" else ()))
    for name in own.required:
        if name not in known:
            expected = f"a value, which the constructor of {own.path} asks for"
            raise BadInputError(where=where, key=f"space.{name}", got="nothing", expected=expected)
