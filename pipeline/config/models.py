"""The models that are built in: one row each, with its parameters and the path of its class."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import Field, Strict

from pipeline.config.frozen import Count
from pipeline.config.space.parameters import Parameter, ParameterTable

Depth = Annotated[int, Strict(), Field(ge=0, le=100)]
CodeDepth = Annotated[int, Strict(), Field(ge=1, le=100)]
Width = Annotated[int, Strict(), Field(ge=1, le=65_536)]
Blocks = Annotated[int, Strict(), Field(ge=1, le=10)]
Filters = Annotated[int, Strict(), Field(ge=1, le=4_096)]
Rate = Annotated[float, Strict(), Field(ge=0, lt=1)]
BatchSize = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
LearningRate = Annotated[float, Strict(), Field(gt=0, le=1_000)]
WeightDecay = Annotated[float, Strict(), Field(ge=0, le=1_000)]
Epochs = Annotated[Count, Field(le=100_000)]
Smoothing = Annotated[float, Strict(), Field(ge=0, lt=1)]
MaxNorm = Annotated[float, Strict(), Field(gt=0, le=1_000)]
Regularizer = Literal["dropout", "dropconnect"]
CnnRegularizer = Literal["dropout", "channel-dropout", "dropconnect"]
Schedule = Literal["constant", "cosine"]
ClassWeights = Literal["none", "balanced"]
Activation = Literal["relu", "leaky-relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid"]

# The usual values are those of the paper that dropout is from (Srivastava et al., 2014,
# https://jmlr.org/papers/v15/srivastava14a.html: 0.2 at the input, 0.5 in hidden layers, more units
# than without dropout, norms of at most 3), and of Adam (https://arxiv.org/abs/1412.6980).
_DEPTH = Parameter(name="depth", means="hidden layers", values=Depth, is_shaping=True, usual=2)
_DENSE = (
    Parameter(
        name="width",
        means="units of every hidden layer",
        values=Width,
        is_shaping=True,
        of_each="depth",
        usual=math.inf,
    ),
    Parameter(
        name="input_dropout",
        means="probability to drop an input value",
        values=Rate,
        need="filled in",
        default=0.0,
        usual=0.2,
    ),
    Parameter(
        name="dropout",
        means="probability to drop in every hidden layer",
        values=Rate,
        of_each="depth",
        usual=0.5,
    ),
)
_BATCH_SIZE = Parameter(
    name="batch_size", means="rows a step", values=BatchSize, is_shaping=True, usual=64
)
_TRAINING = (
    _BATCH_SIZE,
    Parameter(
        name="learning_rate",
        means="the optimizer's step size",
        values=LearningRate,
        usual=1e-3,
    ),
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
    need="optional",
    default="constant",
    usual="constant",
)
_REGULARIZER = Parameter(
    name="regularizer",
    means="what is dropped: units, channels, or single connections",
    values=Regularizer,
    need="optional",
    default="dropout",
    is_shaping=True,
    usual="dropout",
)
_HIDDEN = (
    Parameter(
        name="activation",
        means="what follows each hidden layer",
        values=Activation,
        need="optional",
        default="relu",
        is_shaping=True,
        usual="relu",
    ),
    Parameter(
        name="max_norm",
        means="largest Euclidean norm of a hidden unit's incoming weights",
        values=MaxNorm,
        need="optional",
        usual=3.0,
    ),
)
_OF_CLASSES = (
    Parameter(
        name="label_smoothing",
        means="share of a label that is spread over all classes in what is optimised",
        values=Smoothing,
        need="optional",
        default=0.0,
        usual=0.0,
    ),
    Parameter(
        name="class_weights",
        means="weight of a row in what is optimised: one, or more for rows of rare classes",
        values=ClassWeights,
        need="optional",
        default="none",
        usual="none",
    ),
)
_BLOCKS = (
    Parameter(
        name="blocks",
        means="blocks of two 3x3 convolutions, each ending in a 2x2 max-pool",
        values=Blocks,
        is_shaping=True,
        usual=2,
    ),
    Parameter(
        name="filters",
        means="channels of every block",
        values=Filters,
        is_shaping=True,
        of_each="blocks",
        usual=math.inf,
    ),
    Parameter(
        name="block_dropout",
        means="probability to drop behind every block",
        values=Rate,
        of_each="blocks",
        usual=0.25,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A built-in model.

    Attributes:
        parameters: What a study may search, in the order of its study file.
        network: The import path of its class, ``"package.module:Class"``: text, since nothing
            here imports torch.
        fuses: The values of the parameters with which trials of one shape can be trained as one
            stack; ``None`` where the stack has no kernels for the model.
        learns: What it can learn from labels; nothing where the rows are its own targets.
        needs_images: Whether rows of no two dimensions are refused.
        limits: The largest value of a parameter that images of a shape, (H, W) or (C, H, W),
            allow, and the reason. Asked before torch is imported, so it is not the class's.
    """

    parameters: ParameterTable
    network: str
    fuses: Mapping[str, Any] | None = field(default=None)
    learns: frozenset[str] = frozenset({"classification"})
    needs_images: bool = False
    limits: Callable[[tuple[int, ...]], Mapping[str, tuple[int, str]]] = lambda _shape: {}


def _halvings(image_shape: tuple[int, ...]) -> dict[str, tuple[int, str]]:
    """The number of blocks of which each halves height and width."""
    height, width = image_shape[-2:]
    reason = f"each block halves images of {height} x {width}"
    return {"blocks": (min(height, width).bit_length() - 1, reason)}


_STACKED: Final = {"regularizer": "dropout", "activation": "relu"}
_ANY_LABELS: Final = frozenset({"classification", "regression"})

MODELS: Final[dict[str, Model]] = {
    "mlp": Model(
        parameters=ParameterTable(
            (_DEPTH, *_DENSE, *_TRAINING, _SCHEDULE, _REGULARIZER, *_HIDDEN, *_OF_CLASSES)
        ),
        network="pipeline.learning.modules.mlp:MLP",
        fuses=_STACKED,
        learns=_ANY_LABELS,
    ),
    "cnn": Model(
        parameters=ParameterTable(
            (
                *_BLOCKS,
                replace(
                    _DEPTH,
                    means="hidden layers behind the blocks",
                    need="filled in",
                    default=1,
                    usual=1,
                ),
                *_DENSE,
                *_TRAINING,
                _SCHEDULE,
                replace(_REGULARIZER, values=CnnRegularizer),
                *_HIDDEN,
                *_OF_CLASSES,
            )
        ),
        network="pipeline.learning.modules.cnn:CNN",
        learns=_ANY_LABELS,
        needs_images=True,
        limits=_halvings,
    ),
    "autoencoder": Model(
        parameters=ParameterTable(
            (
                replace(_DEPTH, means="layers of the encoder", values=CodeDepth),
                *_DENSE,
                *_TRAINING,
                _SCHEDULE,
                _REGULARIZER,
                *_HIDDEN,
            )
        ),
        network="pipeline.learning.modules.autoencoder:Autoencoder",
        fuses=_STACKED,
        learns=frozenset(),
    ),
}
"""The built-in models by name; a row may be added while the program runs."""

CUSTOM: Final = ParameterTable((replace(_BATCH_SIZE, need="optional", default=64),), is_open=True)
"""The parameters of a user-defined module: its constructor's arguments, and the batch size."""

EPOCHS: Final = Parameter(
    name="epochs",
    means="passes over the training data",
    values=Epochs,
    need="optional",
    usual=math.inf,
)
"""A parameter of every model where ``training.epochs`` is searched."""


@cache
def with_epochs(table: ParameterTable) -> ParameterTable:
    """A model's parameters and ``epochs``."""
    return replace(table, parameters=(*table.parameters, EPOCHS))
