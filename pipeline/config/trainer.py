"""``training.trainer``: what a user may set of Lightning's Trainer for a class of their own."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, PlainValidator, Strict, model_validator

from pipeline.config.frozen import Count, Frozen
from pipeline.config.messages import InvalidValueError, shown
from pipeline.config.paths import ClassPath


def _batches(part: object) -> object:
    """Accept a fraction of the batches, or a count of them."""
    if (type(part) is float and 0 < part <= 1) or (type(part) is int and part >= 1):
        return part
    expected = "a fraction above 0 and at most 1.0, or a whole number of at least 1"
    raise InvalidValueError(got=shown(part), expected=expected)


Batches = Annotated[
    float | int,
    PlainValidator(
        _batches,
        json_schema_input_type=Annotated[float, Field(gt=0, le=1)] | Annotated[int, Field(ge=1)],
    ),
]


class CallbackConfig(Frozen):
    """A callback of Lightning's or of the user's, made anew for each trial.

    Attributes:
        class_path: Of a ``Callback``.
        init_args: Its constructor's arguments.
    """

    class_path: ClassPath
    init_args: dict[str, JsonValue] = Field(default_factory=dict)


class TrainerConfig(Frozen):
    """Arguments of the ``Trainer`` that trains a user's module, by Lightning's names.

    Attributes:
        gradient_clip_val: The largest norm of all gradients, or the largest gradient.
        gradient_clip_algorithm: Which of the two: ``norm``, the default, or ``value``.
        accumulate_grad_batches: The optimizer steps once after so many batches.
        limit_train_batches: Batches of an epoch: a fraction of them, or a count. It leaves the
            scores on a fixed part of the training rows and those on the test rows alone.
        limit_val_batches: The same for validation.
        max_steps: A trial is complete after so many steps; an epoch that they end is not counted.
        num_workers: Given to the user's data module, whose constructor must name it.
        callbacks: Called in this order, before the study's own.
    """

    gradient_clip_val: Annotated[float, Strict(), Field(gt=0)] | None = None
    gradient_clip_algorithm: Literal["norm", "value"] | None = None
    accumulate_grad_batches: Count | None = None
    limit_train_batches: Batches | None = None
    limit_val_batches: Batches | None = None
    max_steps: Count | None = None
    num_workers: Annotated[int, Strict(), Field(ge=0, le=1_024)] | None = None
    callbacks: tuple[CallbackConfig, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gradient_clip_algorithm and self.gradient_clip_val is None:
            problem = "not allowed without gradient_clip_val"
            raise InvalidValueError(key="gradient_clip_algorithm", problem=problem)
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """What is set of the ``Trainer``'s own arguments."""
        beside = {"callbacks", "num_workers"}
        return self.model_dump(exclude_none=True, exclude=beside)
