"""Which of the scalars that a user's module logs are kept as curves beside the study's own."""

import math
import re
from collections.abc import Iterable, Mapping
from posixpath import normpath
from typing import Final, NamedTuple

from pipeline.config import Objective

MOST: Final = 64
"""A trial has so many curves of its module's own at most: MLflow writes each point by itself."""
OURS: Final = frozenset(
    {
        *("train_loss", "train_accuracy", "train_loss_no_dropout", "val_loss", "val_accuracy"),
        *("generalization_gap", "learning_rate", "epoch_seconds"),
    }
)
"""Names of curves that every trial has."""
MEASURED: Final = frozenset({"train_loss_no_dropout", "generalization_gap", "learning_rate"})
"""Of them, those that are measured and not taken from what a module logs."""
SUMMARIES: Final = re.compile(
    r"(retrained_)?best_(val_loss|epoch)|n_parameters|dropout_mean|test_\w+|.*_fold_\d+"
)
"""Names that mean something else in MLflow."""
ALLOWED: Final = re.compile(r"[\w.\- :/]{1,250}")
"""What MLflow takes for a metric's name, which must be a normal relative path as well."""


class Selection(NamedTuple):
    """Of an epoch's logged scalars.

    Attributes:
        kept: By name.
        left_out: The names of the others, but for those that the study measures itself.
    """

    kept: dict[str, float]
    left_out: tuple[str, ...]


def select(
    logged: Mapping[str, float], before: Iterable[str], metric: str = "val_loss"
) -> Selection:
    """Select what is kept of an epoch.

    Where a module logs a name by step and by epoch, Lightning adds ``…_step`` and ``…_epoch``,
    which say nothing more. A name that was kept is kept again; the first come first.

    Args:
        logged: The epoch's scalars, by name, in the order in which they were logged.
        before: The names that earlier epochs kept.
        metric: The objective's, which is kept in any case.
    """
    names = {name: None for name in (metric, *before) if name not in OURS}
    left_out = []
    for name in logged:
        if name in OURS or _is_twin(name, logged):
            continue
        if name not in names and (len(names) >= MOST or not _is_usable(name, metric)):
            left_out.append(name)
        else:
            names[name] = None
    return Selection({name: logged[name] for name in names if name in logged}, tuple(left_out))


def sealed_metrics(logged: Mapping[str, float], *, is_tested: bool) -> dict[str, float]:
    """Select what is kept of a module's scores on the test part: as many as of an epoch's.

    Args:
        logged: By name.
        is_tested: Whether ``test_step`` logged them; else the study's own scores are among them.
    """
    named = [
        name
        for name in logged
        if math.isfinite(logged[name])
        and _is_name(name)
        and not _is_twin(name, logged)
        and (is_tested or name not in OURS)
    ]
    return {name: logged[name] for name in named[:MOST]}


def loss_in(logged: Mapping[str, float], objective: Objective) -> float:
    """The validation loss among what a module logs; NaN where there is none.

    A score that is minimised stands for a loss where no ``val_loss`` is logged.
    """
    instead = math.nan if objective.is_maximized else logged.get(objective.metric, math.nan)
    return logged.get("val_loss", instead)


def _is_twin(name: str, logged: Mapping[str, float]) -> bool:
    base, _, kind = name.rpartition("_")
    return kind in ("step", "epoch") and base in logged


def _is_usable(name: str, metric: str) -> bool:
    is_taken = SUMMARIES.fullmatch(name) or name == f"best_{metric}"
    return _is_name(name) and not is_taken


def _is_name(name: str) -> bool:
    is_path = normpath(name) == name != "." and not name.startswith(("/", ".."))
    return is_path and bool(ALLOWED.fullmatch(name))
