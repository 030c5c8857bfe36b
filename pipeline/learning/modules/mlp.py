"""The multi-layer perceptron."""

import math
from collections.abc import Sequence
from typing import Any

from pipeline.config import TrialConfig
from pipeline.learning.modules.layers import DenseLayers
from pipeline.learning.modules.network import Network, Optimization, shared_arguments
from pipeline.learning.modules.regression import CROSS_ENTROPY, make_criterion


class MLP(Network):
    """Hidden layers of linear, activation, dropout, and a linear layer to the outputs.

    >>> network = MLP(784, 10, widths=[128, 64], dropouts=[0.2, 0.3], input_dropout=0.1)
    >>> [type(layer).__name__ for layer in network.network]
    ['Dropout', 'Linear', 'ReLU', 'Dropout', 'Linear', 'ReLU', 'Dropout', 'Linear']

    Args:
        n_inputs: Values of a row.
        n_outputs: Classes to tell apart, or targets to predict.
        widths: Units of each hidden layer; may be empty.
        dropouts: The probability to drop in each hidden layer.
        input_dropout: The probability to drop an input value.
        activation: What follows each hidden layer: ``relu``, ``tanh``, ``sigmoid``, ``gelu``,
            ``silu``, ``elu``, ``selu`` or ``leaky-relu``.
        regularizer: What is dropped: ``dropout`` (units) or ``dropconnect`` (connections).
        optimizer: ``adamw``, ``adam`` or ``sgd``.
        learning_rate: The optimizer's step size.
        weight_decay: The optimizer's weight decay.
        max_norm: The largest Euclidean norm of a hidden unit's incoming weights; ``None``: any.
        schedule: Of the learning rate: ``constant``, or ``cosine`` over so many ``epochs``.
        epochs: Needed by ``cosine`` alone.
        loss: ``cross-entropy`` of classes; ``mse``, ``mae`` or ``huber`` of targets.
        target_mean: Of each target, subtracted before the loss is computed; ``None``: 0.
        target_std: Of each target, by which it is divided then; ``None``: 1.
        label_smoothing: The share of a label that is spread over all classes in what is optimised.
        class_weights: The weight of each class's rows in what is optimised; ``None``: 1.
        seed: Of the initial weights.
        dropout_seed: Of the dropout masks; by default derived from ``seed``.

    Raises:
        ValueError: An argument is not allowed.
    """

    def __init__(  # noqa: PLR0913 - a table of plain arguments
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        widths: Sequence[int],
        dropouts: Sequence[float],
        input_dropout: float = 0.0,
        activation: str = "relu",
        regularizer: str = "dropout",
        optimizer: str = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        max_norm: float | None = None,
        schedule: str = "constant",
        epochs: int | None = None,
        loss: str = CROSS_ENTROPY,
        target_mean: Sequence[float] | None = None,
        target_std: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        seed: int = 0,
        dropout_seed: int | None = None,
    ) -> None:
        super().__init__(
            Optimization(optimizer, learning_rate, weight_decay, max_norm, schedule, epochs),
            seed=seed,
            dropout_seed=dropout_seed,
        )
        self.save_hyperparameters()
        self.criterion = make_criterion(
            loss,
            n_outputs,
            mean=target_mean,
            std=target_std,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )
        layers = DenseLayers(
            widths,
            dropouts,
            input_dropout,
            activation,
            regularizer,
            self.dropout_seed,
            is_regression=loss != CROSS_ENTROPY,
        )
        self.build(layers.perceptron(n_inputs, n_outputs))

    @classmethod
    def arguments(
        cls, config: TrialConfig, image_shape: tuple[int, ...], n_outputs: int
    ) -> dict[str, Any]:
        """The constructor's arguments for a trial."""
        sizes = {"n_inputs": math.prod(image_shape), "n_outputs": n_outputs}
        return sizes | shared_arguments(config)
