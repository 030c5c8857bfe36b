"""A model added by one module and one row: a line of hidden layers as the MLP's, all of one width.

The row is added when the module is imported, also in a worker, which imports its fit from here.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from pipeline.config import MODELS, Model, Parameter, ParameterTable, TrialConfig
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.modules.criteria import Criterion, CrossEntropy
from pipeline.learning.modules.layers import DenseLayers
from pipeline.learning.modules.network import Network, Optimization

__all__ = ["Toy", "fit_cohort"]


class Toy(Network):
    """Stages of equal width; each drops with a rate of its own.

    Args:
        n_inputs: Values of a row.
        n_classes: Classes to tell apart.
        widths: Units of each stage.
        dropouts: The probability to drop in each stage.
        activation: What follows each stage.
        learning_rate: The optimizer's step size.
        seed: Of the initial weights.
        dropout_seed: Of the dropout masks.
    """

    criterion: Criterion = CrossEntropy()

    def __init__(  # noqa: PLR0913 - a table of plain arguments
        self,
        n_inputs: int,
        n_classes: int,
        *,
        widths: list[int],
        dropouts: list[float],
        activation: str,
        learning_rate: float,
        seed: int,
        dropout_seed: int,
    ) -> None:
        super().__init__(
            Optimization("adamw", learning_rate, 0.0, None, "constant", None),
            seed=seed,
            dropout_seed=dropout_seed,
        )
        self.save_hyperparameters()
        layers = DenseLayers(widths, dropouts, 0.0, activation, "dropout", self.dropout_seed)
        self.build(layers.perceptron(n_inputs, n_classes))

    @classmethod
    def arguments(
        cls, config: TrialConfig, image_shape: tuple[int, ...], n_outputs: int
    ) -> dict[str, Any]:
        """The constructor's arguments for a trial."""
        return {
            "n_inputs": math.prod(image_shape),
            "n_classes": n_outputs,
            "widths": [config.value("units")] * config.count("stages"),
            "dropouts": list(config.values_of("stage_dropout")),
            "activation": config.value("nonlinearity"),
            "learning_rate": config.value("learning_rate"),
            "seed": config.seeds["initialisation"],
            "dropout_seed": config.seeds["dropout"],
        }


COUNT = Annotated[int, Strict(), Field(ge=1, le=4)]
UNITS = Annotated[int, Strict(), Field(ge=1, le=256)]
RATE = Annotated[float, Strict(), Field(ge=0, lt=1)]
LEARNING_RATE = Annotated[float, Strict(), Field(gt=0, le=1)]

MODELS["toy"] = Model(
    network="tests.app.toy:Toy",
    parameters=ParameterTable(
        (
            Parameter(name="stages", means="hidden layers", values=COUNT, is_shaping=True),
            Parameter(name="units", means="units of a stage", values=UNITS, is_shaping=True),
            Parameter(
                name="stage_dropout", means="probability to drop", values=RATE, of_each="stages"
            ),
            Parameter(
                name="nonlinearity",
                means="what follows each stage",
                values=Literal["relu", "tanh"],
                need="optional",
                default="relu",
                is_shaping=True,
            ),
            Parameter(name="batch_size", means="rows a step", values=UNITS, is_shaping=True),
            Parameter(name="learning_rate", means="step size", values=LEARNING_RATE),
        )
    ),
    fuses={"nonlinearity": "relu"},
)
