"""Curves read back from the points that MLflow holds."""

import math
from collections.abc import Iterable
from itertools import chain
from typing import Any

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from pipeline.tracking import names
from pipeline.trial import Curve, EpochScores, FoldScores


def read_curve(client: MlflowClient, run_id: str, number: int, *, n_folds: int = 0) -> Curve:
    """Read a run's epochs from the full history of its metrics, in order.

    Of a point that stands twice the latest counts: one that was added later is not passed over.

    Args:
        client: Connected.
        run_id: The run.
        number: The trial's.
        n_folds: The folds that the trial was trained on; 0: none.
    """
    named = score_names(n_folds)
    history = [point for name in named for point in client.get_metric_history(run_id, name)]
    history.sort(key=lambda point: point.timestamp)
    return curve_of(history, number, n_folds=n_folds)


def curve_of(history: Iterable[Metric], number: int, *, n_folds: int = 0) -> Curve:
    """Put points together into epochs; where a point stands twice, the last one given counts.

    Args:
        history: The points, of any steps; those that are no epoch's scores are left out.
        number: The trial's.
        n_folds: The folds that the trial was trained on; 0: none.
    """
    named = set(score_names(n_folds))
    points: dict[int, dict[str, float]] = {}
    ended: dict[int, int] = {}
    for point in history:
        if point.key in named:
            points.setdefault(point.step, {})[point.key] = point.value
            ended[point.step] = min(point.timestamp, ended.get(point.step, point.timestamp))
    return tuple(
        EpochScores(
            number=number,
            epoch=step,
            ended_at_ms=ended[step],
            **_measured(found),
            folds=tuple(
                FoldScores(*(found.get(name, math.nan) for name in fold))
                for fold in _fold_names(n_folds)
            ),
        )
        for step, found in sorted(points.items())
    )


def score_names(n_folds: int) -> list[str]:
    """The metrics that hold an epoch's scores."""
    return [*names.SCORES, *chain(*_fold_names(n_folds))]


def _fold_names(n_folds: int) -> list[list[str]]:
    return [[f"{name}_fold_{1 + fold}" for name in FoldScores._fields] for fold in range(n_folds)]


def _measured(found: dict[str, float]) -> dict[str, Any]:
    return {name: found.get(name, math.nan) for name in names.SCORES}
