"""What a study learns from its labels, classes or numbers, and what may be said of each."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from pipeline.config.data_section import Task
from pipeline.config.messages import InvalidValueError, at_key
from pipeline.config.models import MODELS
from pipeline.config.objective import ACCURACIES, OF_TARGETS, SCORES
from pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pipeline.config.study import StudyConfig


def check_task(study: "StudyConfig", task: Task | None) -> None:
    """Refuse what the model or the task has no use for, and a model that cannot learn the task.

    Args:
        study: Its model, space, data and training.
        task: ``None`` where only the data can tell.

    Raises:
        InvalidValueError: Naming the key.
    """
    name = study.model.name
    if study.training.loss is not None:
        with at_key("training.loss"):
            _check_loss(name, task)
    for key in ("label_smoothing", "class_weights"):
        if key in study.space.domains and name and task == "regression":
            raise InvalidValueError(key=f"space.{key}", problem="only for classification")
    if name and study.data.class_path and "class_weights" in study.space.domains:
        problem = "only for built-in data, whose classes are counted before the training"
        raise InvalidValueError(key="space.class_weights", problem=problem)
    learns = MODELS[name].learns if name else ()
    if name and not study.data.class_path:
        with at_key("objective"):
            study.objective.check_is_among(_measured(learns, task))
    if task == "regression" and learns and task not in learns:
        problem = f"{name} learns classes, but the labels are numbers"
        raise InvalidValueError(key="model.name", problem=problem)


def _measured(learns: Collection[str], task: Task | None) -> list[str]:
    """The scores of a built-in model; where only the data can tell the task, those of each."""
    found = list(SCORES)
    if "classification" in learns and task != "regression":
        found += ACCURACIES
    if "regression" in learns and task != "classification":
        found += OF_TARGETS
    return found


def _check_loss(model: str | None, task: Task | None) -> None:
    if model is None:
        problem = "only for a built-in model: a module of your own computes its loss itself"
        raise InvalidValueError(problem=problem)
    if "regression" not in MODELS[model].learns:
        raise InvalidValueError(problem=f"not allowed with {model}, which has a loss of its own")
    if task == "classification":
        raise InvalidValueError(problem="only for regression (data.task: regression)")


def check_fits_task(study: "StudyConfig", task: Task, *, where: str) -> None:
    """Check a study again once its data have told the task.

    Raises:
        BadInputError: Naming the key.
    """
    try:
        check_task(study, task)
    except InvalidValueError as error:
        raise BadInputError(where=where, key=error.key, problem=error.problem) from None
