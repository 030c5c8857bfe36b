"""The objective: which of the scores of an epoch a study is about, and which way is better."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Strict, model_validator

from pipeline.config.frozen import Frozen, Matching
from pipeline.config.messages import InvalidValueError, shown

MetricName = Annotated[
    str,
    Strict(),
    Matching(
        r"(?![/.])(?!.*//)[\w.\- :/]+(?<!/)",
        200,
        "the name of a metric of at most 200 letters, digits, spaces and '_', '-', '.', ':', '/' "
        "that neither begins nor ends with '/' and has no '//'",
    ),
]

BETTER_HIGHER: Final = frozenset(
    {
        *("acc", "accuracy", "f1", "fbeta", "precision", "recall", "auc", "auroc", "auprc", "map"),
        *("kappa", "mcc", "iou", "jaccard", "dice", "r2", "bleu", "psnr", "ssim"),
    }
)
"""Words in names of metrics that nobody wants as low as possible."""
LOSSES: Final = frozenset({"loss", "error", "err"})
"""Words that say otherwise: of ``val_dice_loss`` the lowest is meant."""


SCORES: Final = ("val_loss", "generalization_gap", "train_loss_no_dropout", "train_loss")
ACCURACIES: Final = ("val_accuracy", "train_accuracy")
OF_TARGETS: Final = ("val_mae", "val_r2")
"""What the loop that trains built-in models measures: of all, of classes, and of numbers."""
NO_OBJECTIVE: Final = re.compile(
    r"test_\w+|test/.+|(retrained_)?best_(val_loss|epoch)|n_parameters|dropout_mean"
)
"""Scores of the test part, which no search reads, and what sums a trial up."""


class Objective(Frozen):
    """What a trial is worth: its best score over the epochs.

    Losses are what the search compares: the score itself or, where it is maximised, its negative.

    Attributes:
        metric: Any scalar that is logged once an epoch, by the name under which MLflow shows it.
        direction: Whether a lower or a higher score is better.
    """

    metric: MetricName = "val_loss"
    direction: Literal["minimize", "maximize"] = "minimize"

    @model_validator(mode="after")
    def _check_direction(self) -> Self:
        """Refuse to minimise an accuracy because nobody said otherwise."""
        words = re.split(r"[^a-z0-9]+", self.metric.lower())
        is_better_higher = BETTER_HIGHER.intersection(words) and not LOSSES.intersection(words)
        if "direction" not in self.model_fields_set and is_better_higher:
            metric = shown(self.metric)
            problem = f"not given, and {metric} is better the higher it is: say maximize"
            raise InvalidValueError(key="direction", problem=problem)
        return self

    @model_validator(mode="after")
    def _check_metric(self) -> Self:
        if NO_OBJECTIVE.fullmatch(self.metric):
            expected = "a metric that is measured on training or validation rows, once an epoch"
            raise InvalidValueError(key="metric", got=shown(self.metric), expected=expected)
        return self

    def check_is_among(self, measured: Sequence[str]) -> None:
        """Refuse a metric that is not measured.

        Raises:
            InvalidValueError: It is not.
        """
        if self.metric not in measured:
            expected = f"one of {', '.join(measured)}, which the built-in model has"
            raise InvalidValueError(key="metric", got=shown(self.metric), expected=expected)

    def __str__(self) -> str:
        """``maximize val_accuracy``."""
        return f"{self.direction} {self.metric}"

    @property
    def is_maximized(self) -> bool:
        """Whether a higher score is better."""
        return self.direction == "maximize"

    def loss(self, score: float) -> float:
        """The loss of a score, and the score of a loss."""
        return -score if self.is_maximized else score

    @property
    def best_word(self) -> str:
        """What the best of several scores is: the lowest, or the highest."""
        return "highest" if self.is_maximized else "lowest"

    @property
    def better_word(self) -> str:
        """What a better one of two scores is: lower, or higher."""
        return "higher" if self.is_maximized else "lower"

    @property
    def worse_word(self) -> str:
        """Where a worse score is: above a better one, or below it."""
        return "below" if self.is_maximized else "above"


VAL_LOSS: Final = Objective()
"""The objective of a study that does not say another."""
