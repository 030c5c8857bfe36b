"""TrialConfig: one setting with every value resolved, all that its arithmetic depends on."""

from itertools import pairwise
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from pipeline.config.data import DataConfig
from pipeline.config.domain import BatchSize, Depth, LearningRate, Rate, WeightDecay, Width
from pipeline.config.frozen import (
    Count,
    Frozen,
    Name,
    OutOfLimitsError,
    Real,
    Seed,
    Text,
    Whole,
    shown,
)
from pipeline.config.limits import words
from pipeline.config.model import ModelConfig
from pipeline.config.seeds import derive_seed

Precision = Literal["32-true", "bf16-mixed"]
Optimizer = Literal["adamw", "adam", "sgd"]
Device = Literal["auto", "cpu", "cuda", "mps"]


LIMITS: Final[dict[str, TypeAdapter[Any]]] = {
    "depth": TypeAdapter(Depth),
    "width": TypeAdapter(Width),
    "input_dropout": TypeAdapter(Rate),
    "dropout": TypeAdapter(Rate),
    "batch_size": TypeAdapter(BatchSize),
    "learning_rate": TypeAdapter(LearningRate),
    "weight_decay": TypeAdapter(WeightDecay),
}
"""What each parameter may be, whatever the study."""
OF_EACH_LAYER: Final = ("width", "dropout")


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


class Shape(NamedTuple):
    """What trials of one study must have in common to be trained in one loop.

    The sizes of all arrays follow from it. Rates of dropout, learning rate, weight decay and
    seeds are not in it: each trial has its own.

    Attributes:
        widths: Units of each hidden layer; their number is the depth.
    """

    model: ModelConfig
    widths: tuple[int, ...]
    batch_size: int

    @property
    def work(self) -> float:
        """About how long a row takes, in units of a weight's products; it serves to put in order.

        Weights are counted for pictures of 28 x 28 and ten classes. An optimizer step takes for
        each weight as long as the products of 21 rows (measured, AdamW on a processor).
        """
        sizes = (784, *self.widths, 10)
        n_weights = sum(before * after for before, after in pairwise(sizes))
        return n_weights * (1 + 21 / self.batch_size)


class TrialConfig(Frozen):
    """One trial of a study, resolved: the same config gives the same curve, bit for bit.

    Attributes:
        study: The study's name.
        number: The trial's number in the study, from 0.
        study_seed: Seeds the splits and the order of batches, shared by all trials of a study.
        params: The active parameters, constants included.
        repeat: 0 as the study trains it; *r* = 1, 2 … is the same setting on the *r*-th set of new
            seeds (``confirm``). The split is the study's in every repeat.
    """

    study: Name
    number: Annotated[Whole, Field(ge=0)]
    study_seed: Seed
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    params: dict[str, Whole | Real | Text]
    repeat: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0

    @model_serializer(mode="wrap")
    def _leave_out_repeat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write ``repeat`` where there is one."""
        written: dict[str, Any] = handler(self)
        return {key: value for key, value in written.items() if (key, value) != ("repeat", 0)}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, value in self.params.items():
            _check_param(name, value)
        for name in LIMITS:
            if name not in (*OF_EACH_LAYER, *self.params):
                expected = words([LIMITS[name].json_schema()])
                raise OutOfLimitsError(key=f"params.{name}", got="nothing", expected=expected)
        for kind in OF_EACH_LAYER:
            for layer in range(1, self.depth + 1):
                self._of_layer(kind, layer)
        return self

    def _of_layer(self, kind: str, layer: int) -> float:
        for key in (f"{kind}_{layer}", kind):
            if key in self.params:
                return float(self.params[key])
        expected = f"{kind} or {kind}_{layer}, since depth is {self.depth}"
        raise OutOfLimitsError(key=f"params.{kind}", got="nothing", expected=expected)

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
    def shape(self) -> Shape:
        """What it must share with the trials that it is trained together with."""
        return Shape(self.model, self.widths, self.batch_size)

    @property
    def seeds(self) -> dict[str, int]:
        """Every seed of the trial by its purpose.

        ``initialisation`` and ``dropout`` are the trial's own; ``order`` and ``split`` are the
        study's, so that trials are compared on the same batches and the same rows.
        """
        again = ("repeat", self.repeat) if self.repeat else ()
        own = {
            purpose: derive_seed(self.study_seed, self.number, *again, purpose)
            for purpose in ("initialisation", "dropout")
        }
        order = derive_seed(self.study_seed, *again, "order")
        shared = {"order": order, "split": derive_seed(self.study_seed, "split")}
        return own | shared


def _check_param(name: str, value: object) -> None:
    kind, _, layer = name.rpartition("_")
    known = kind if kind in OF_EACH_LAYER and layer.isdecimal() else name
    if known not in LIMITS:
        expected = f"one of {', '.join(LIMITS)}, width_N, dropout_N"
        raise OutOfLimitsError(key=f"params.{name}", got="an unknown parameter", expected=expected)
    try:
        LIMITS[known].validate_python(value)
    except ValidationError:
        expected = words([LIMITS[known].json_schema()])
        raise OutOfLimitsError(key=f"params.{name}", got=shown(value), expected=expected) from None
