"""The callbacks that ``training.trainer`` names."""

from typing import Any

from pipeline.config import Training
from pipeline.errors import BadInputError
from pipeline.learning.custom.classes import CustomClass, find_class
from pipeline.learning.failures import describe_user_failure
from pipeline.learning.lightning import Callback, Checkpoint


def find_callbacks(training: Training[Any], *, where: str) -> list[CustomClass]:
    """Import the classes of the callbacks.

    Raises:
        BadInputError: One cannot be used; those that write checkpoints are refused.
    """
    found = [
        find_class(config.class_path, "callback", where=where, key=_key(number, "class_path"))
        for number, config in enumerate(training.callbacks)
    ]
    for number, custom in enumerate(found):
        if issubclass(custom.cls, Checkpoint):
            problem = f"{custom.path} writes checkpoints, and a study keeps the best weights itself"
            raise BadInputError(where=where, key=_key(number, "class_path"), problem=problem)
    return found


def make_callbacks(training: Training[Any], *, where: str) -> list[Callback]:
    """Make the callbacks of a trial.

    Raises:
        BadInputError: One cannot be used, or its constructor raises.
    """
    classes = find_callbacks(training, where=where)
    made = []
    for number, (config, custom) in enumerate(zip(training.callbacks, classes, strict=True)):
        try:
            made.append(custom.cls(**config.init_args))
        except (Exception, SystemExit) as error:  # a user's code may raise anything
            problem = f"{custom.path} raises {describe_user_failure(error, custom.path)}"
            raise BadInputError(
                where=where, key=_key(number, "init_args"), problem=problem
            ) from error
    return made


def _key(number: int, name: str) -> str:
    return f"training.trainer.callbacks.{number}.{name}"
