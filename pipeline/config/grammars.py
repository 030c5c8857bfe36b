"""The parameters of each model: what each may be, in the order of the files."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import Field, Strict

from pipeline.config.data import DataConfig
from pipeline.config.grammar import Grammar, Parameter
from pipeline.config.model import ModelConfig

Depth = Annotated[int, Strict(), Field(ge=0, le=100)]
CodeDepth = Annotated[int, Strict(), Field(ge=1, le=100)]
Width = Annotated[int, Strict(), Field(ge=1, le=65_536)]
Blocks = Annotated[int, Strict(), Field(ge=1, le=10)]
Filters = Annotated[int, Strict(), Field(ge=1, le=4_096)]
Rate = Annotated[float, Strict(), Field(ge=0, lt=1)]
BatchSize = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
LearningRate = Annotated[float, Strict(), Field(gt=0, le=1_000)]
WeightDecay = Annotated[float, Strict(), Field(ge=0, le=1_000)]
MaxNorm = Annotated[float, Strict(), Field(gt=0, le=1_000)]
Regularizer = Literal["dropout", "dropconnect"]
CnnRegularizer = Literal["dropout", "channel-dropout", "dropconnect"]
Schedule = Literal["constant", "cosine"]
Activation = Literal["relu", "leaky-relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid"]

_DEPTH = Parameter(name="depth", means="hidden layers", values=Depth, is_shaping=True)
_DENSE = (
    Parameter(
        name="width",
        means="units of every hidden layer",
        values=Width,
        is_shaping=True,
        of_each="depth",
    ),
    Parameter(
        name="input_dropout",
        means="probability to drop an input value",
        values=Rate,
        need="filled in",
        default=0.0,
    ),
    Parameter(
        name="dropout",
        means="probability to drop in every hidden layer",
        values=Rate,
        of_each="depth",
    ),
)
_BATCH_SIZE = Parameter(name="batch_size", means="rows a step", values=BatchSize, is_shaping=True)
_TRAINING = (
    _BATCH_SIZE,
    Parameter(name="learning_rate", means="the optimizer's step size", values=LearningRate),
    Parameter(
        name="weight_decay",
        means="the optimizer's weight decay",
        values=WeightDecay,
        need="filled in",
        default=0.0,
    ),
)
_SCHEDULE = Parameter(
    name="schedule",
    means="how the learning rate goes over the epochs",
    values=Schedule,
    need="left out",
    default="constant",
)
_REGULARIZER = Parameter(
    name="regularizer",
    means="what is dropped: units, channels, or single connections",
    values=Regularizer,
    need="left out",
    default="dropout",
    is_shaping=True,
)
_HIDDEN = (
    Parameter(
        name="activation",
        means="what follows each hidden layer",
        values=Activation,
        need="left out",
        default="relu",
        is_shaping=True,
    ),
    Parameter(
        name="max_norm",
        means="largest Euclidean norm of a hidden unit's incoming weights",
        values=MaxNorm,
        need="left out",
    ),
)
_BLOCKS = (
    Parameter(
        name="blocks",
        means="blocks of two 3x3 convolutions, each ending in a 2x2 max-pool",
        values=Blocks,
        is_shaping=True,
    ),
    Parameter(
        name="filters",
        means="channels of every block",
        values=Filters,
        is_shaping=True,
        of_each="blocks",
    ),
    Parameter(
        name="block_dropout",
        means="probability to drop behind every block",
        values=Rate,
        of_each="blocks",
    ),
)

GRAMMARS: Final[Mapping[str, Grammar]] = {
    "mlp": Grammar((_DEPTH, *_DENSE, *_TRAINING, _SCHEDULE, _REGULARIZER, *_HIDDEN)),
    "cnn": Grammar(
        (
            *_BLOCKS,
            replace(_DEPTH, means="hidden layers behind the blocks", need="filled in", default=1),
            *_DENSE,
            *_TRAINING,
            _SCHEDULE,
            replace(_REGULARIZER, values=CnnRegularizer),
            *_HIDDEN,
        )
    ),
    "autoencoder": Grammar(
        (
            replace(_DEPTH, means="layers of the encoder", values=CodeDepth),
            *_DENSE,
            *_TRAINING,
            _SCHEDULE,
            _REGULARIZER,
            *_HIDDEN,
        )
    ),
}
"""The grammar of each model that is built in."""
OWN: Final = Grammar((replace(_BATCH_SIZE, need="left out", default=64),), is_open=True)
"""The grammar of a user's own class: its constructor's arguments, and the rows a step."""


OPEN: Final[Mapping[str, Grammar]] = {
    name: replace(grammar, is_open=True) for name, grammar in GRAMMARS.items()
}
"""The same beside a user's own data module, whose constructor may ask for more."""


def grammar_of(model: ModelConfig, data: DataConfig) -> Grammar:
    """The grammar of a model on some data."""
    if model.name is None:
        return OWN
    return GRAMMARS[model.name] if data.class_path is None else OPEN[model.name]
