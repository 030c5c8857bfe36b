"""The training section of a study file."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from pipeline.config.frozen import Count, Frozen

Precision = Literal["32-true", "bf16-mixed"]
Optimizer = Literal["adamw", "adam", "sgd"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Schedule = Literal["constant", "cosine"]


class EarlyStopping(Frozen):
    """Stop a trial whose validation loss has not improved for ``patience`` epochs."""

    patience: Count


class TrainingConfig(Frozen):
    """How every trial of the study is trained.

    Attributes:
        epochs: At most so many passes over the training data.
        schedule: How the learning rate goes over the epochs; ``cosine`` falls from the trial's
            own towards 0 behind the last of ``epochs`` (Loshchilov and Hutter 2017).
        threads: Arithmetic threads of a worker; part of the study, since sums of floats depend
            on how many threads share them.
    """

    epochs: Annotated[Count, Field(le=100_000)]
    schedule: Schedule = "constant"
    early_stopping: EarlyStopping | None = None
    optimizer: Optimizer = "adamw"
    precision: Precision = "32-true"
    threads: Annotated[Count, Field(le=1_024)] = 1
    device: Device = "auto"

    @model_serializer(mode="wrap")
    def _leave_out_schedule(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write ``schedule`` where it is set: studies from before it keep their digest."""
        written: dict[str, Any] = handler(self)
        plain = ("schedule", "constant")
        return {key: value for key, value in written.items() if (key, value) != plain}
