"""TrialConfig: one setting with every value resolved, all that its arithmetic depends on."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.data import DataConfig
from pipeline.config.frozen import Count, Frozen, Name, Scalar, Seed
from pipeline.config.seeds import derive_seed

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


class ModelConfig(Frozen):
    """Which network."""

    name: Literal["mlp"]


class TrialConfig(Frozen):
    """One trial of a study, resolved: the same config gives the same curve, bit for bit.

    Attributes:
        study: The study's name.
        number: The trial's number in the study, from 0.
        study_seed: Seeds the splits and the order of batches, shared by all trials of a study.
        params: The active parameters, constants included.
    """

    study: Name
    number: Annotated[int, Field(ge=0)]
    study_seed: Seed
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    params: dict[str, Scalar]

    @model_validator(mode="after")
    def _check(self) -> Self:
        needed = {"depth", "input_dropout", "batch_size", "learning_rate", "weight_decay"}
        missing = sorted(needed - self.params.keys())
        if missing:
            message = f"params without {', '.join(missing)}, expected all of {sorted(needed)}"
            raise ValueError(message)
        for kind in ("width", "dropout") if self.depth else ():
            for layer in range(1, self.depth + 1):
                self._of_layer(kind, layer)
        rates = (self.input_dropout, *self.dropouts)
        if not all(0 <= rate < 1 for rate in rates):
            message = f"dropout rates {rates}, expected each in [0, 1)"
            raise ValueError(message)
        return self

    def _of_layer(self, kind: str, layer: int) -> float:
        for key in (f"{kind}_{layer}", kind):
            if key in self.params:
                return float(self.params[key])
        message = f"params without {kind} for hidden layer {layer}"
        raise ValueError(message)

    @property
    def depth(self) -> int:
        """How many hidden layers the network has."""
        return int(self.params["depth"])

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer, first layer first."""
        return tuple(int(self._of_layer("width", 1 + i)) for i in range(self.depth))

    @property
    def input_dropout(self) -> float:
        """The probability that an input value is dropped."""
        return float(self.params["input_dropout"])

    @property
    def dropouts(self) -> tuple[float, ...]:
        """The probability to drop a unit of each hidden layer, first layer first."""
        return tuple(self._of_layer("dropout", 1 + i) for i in range(self.depth))

    @property
    def batch_size(self) -> int:
        """Rows a step."""
        return int(self.params["batch_size"])

    @property
    def learning_rate(self) -> float:
        """The optimizer's step size."""
        return float(self.params["learning_rate"])

    @property
    def weight_decay(self) -> float:
        """The optimizer's weight decay."""
        return float(self.params["weight_decay"])

    @property
    def seeds(self) -> dict[str, int]:
        """Every seed of the trial by its purpose.

        ``initialisation`` and ``dropout`` are the trial's own; ``order`` and ``split`` are the
        study's, so that trials are compared on the same batches and the same rows.
        """
        own = {
            purpose: derive_seed(self.study_seed, self.number, purpose)
            for purpose in ("initialisation", "dropout")
        }
        shared = {purpose: derive_seed(self.study_seed, purpose) for purpose in ("order", "split")}
        return own | shared
