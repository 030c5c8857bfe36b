"""The training section of a study file."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.frozen import Count, Frozen

Precision = Literal["32-true", "bf16-mixed"]
Optimizer = Literal["adamw", "adam", "sgd"]
Device = Literal["auto", "cpu", "cuda", "mps"]


class EarlyStopping(Frozen):
    """Stop a trial whose validation loss has not improved for ``patience`` epochs."""

    patience: Count


class TrainingConfig(Frozen):
    """How every trial of the study is trained.

    Attributes:
        epochs: At most so many passes over the training data.
        threads: Arithmetic threads of a worker; part of the study, since sums of floats depend
            on how many threads share them.
    """

    epochs: Annotated[Count, Field(le=100_000)]
    early_stopping: EarlyStopping | None = None
    optimizer: Optimizer = "adamw"
    precision: Precision = "32-true"
    threads: Annotated[Count, Field(le=1_024)] = 1
    device: Device = "auto"
