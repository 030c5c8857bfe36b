"""A run's metric points on their way to MLflow, and curves read back from them."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from pipeline.config import VAL_LOSS, Scalar, TrialConfig, mean_dropout
from pipeline.tracking import names
from pipeline.trial import Curve, EpochScores, FoldScores, Point, TrialOutcome, TrialRecord

BOOLEANS = {"True": True, "False": False}


class Points:
    """Buffer of a run's metrics; each (metric, step) is written once.

    MLflow's key of a point includes its time, and a trial that is trained again has new times. So
    the points that the run already has are given at the start and not written again.

    Args:
        params: Written with the first points.
        known: The points that the run has.
    """

    def __init__(
        self, run_id: str, params: Mapping[str, Scalar], known: Iterable[Point] = ()
    ) -> None:
        self.run_id = run_id
        self._params = [Param(name, param_text(value)) for name, value in params.items()]
        self._metrics: list[Metric] = []
        self._seen = set(known)
        self._buffered_since = time.monotonic()

    def add(self, metrics: Mapping[str, float], *, step: int, timestamp_ms: int) -> None:
        """Take what is finite and new; MLflow would show the rest as a number or a zero."""
        for name, value in metrics.items():
            if math.isfinite(value) and (name, step) not in self._seen:
                if self.is_empty:
                    self._buffered_since = time.monotonic()
                self._seen.add((name, step))
                self._metrics.append(Metric(name, float(value), timestamp_ms, step))

    def add_outcome(self, config: TrialConfig, outcome: TrialOutcome, *, prefix: str = "") -> None:
        """Take a whole curve and what it sums up to.

        Args:
            config: What was trained.
            outcome: How the training ended.
            prefix: Begins the names of the best epoch and its score where the run is not a trial's,
                so that who sorts runs by ``best_val_loss`` finds trials alone.
        """
        for scores in outcome.curve:
            self.add(scores.metrics, step=scores.epoch, timestamp_ms=scores.ended_at_ms)
        summary: dict[str, float] = {}
        if outcome.best is not None:
            summary[prefix + names.best_score(outcome.objective)] = outcome.best.score
            summary[prefix + names.BEST_EPOCH] = outcome.best.epoch
        if outcome.n_parameters:
            summary[names.N_PARAMETERS] = outcome.n_parameters
        if outcome.curve and (mean := mean_dropout(config.params)) is not None:
            summary[names.DROPOUT_MEAN] = mean
        ended_at_ms = outcome.curve[-1].ended_at_ms if outcome.curve else 0
        self.add(summary, step=0, timestamp_ms=ended_at_ms)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is buffered."""
        return not self._metrics and not self._params

    def are_due(self, after_seconds: float) -> bool:
        """Whether something has been buffered for so long."""
        return not self.is_empty and time.monotonic() - self._buffered_since >= after_seconds

    def write(self, client: MlflowClient, tags: Mapping[str, str] | None = None) -> None:
        """Write the buffer, and tags after it; where that fails, the buffer is not emptied."""
        run_tags = [RunTag(name, value) for name, value in (tags or {}).items()]
        client.log_batch(self.run_id, self._metrics, self._params, run_tags)
        self._metrics, self._params = [], []


def known_points(client: MlflowClient, run_id: str, metrics: Iterable[str]) -> set[Point]:
    """Read which (metric, step) a run has."""
    return {
        (name, point.step) for name in metrics for point in client.get_metric_history(run_id, name)
    }


def param_text(value: Scalar) -> str:
    """A parameter as MLflow holds it; Python reads the same number from it."""
    return repr(value) if isinstance(value, float) else str(value)


def param_value(text: str) -> Scalar:
    """The value that ``param_text`` wrote.

    >>> [param_value(text) for text in ("2", "0.30000000000000004", "relu")]
    [2, 0.30000000000000004, 'relu']
    """
    if text in BOOLEANS:
        return BOOLEANS[text]
    for kind in (int, float):
        with suppress(ValueError):
            value = kind(text)
            if param_text(value) == text:
                return value
    return text


def read_curve(client: MlflowClient, run_id: str, record: TrialRecord) -> Curve:
    """Read a run's epochs from the full history of its metrics, in order.

    Of a point that was logged twice the later one counts.

    Args:
        client: Connected.
        run_id: The run.
        record: What was trained.
    """
    named = score_names(record)
    history = [point for name in named for point in client.get_metric_history(run_id, name)]
    history.sort(key=lambda point: point.timestamp)
    return curve_of(history, record.trial.number, record)


def curve_of(history: Iterable[Metric], number: int, record: TrialRecord | None) -> Curve:
    """Put points together into epochs; of a point given twice the last one counts.

    Args:
        history: The points, of any steps; those that are no epoch's scores are left out.
        number: The trial's.
        record: What was trained; ``None`` where that is not known.
    """
    n_folds, named = _n_folds(record), set(score_names(record))
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
            folds=_folds(found, n_folds),
            logged={name: found[name] for name in _logged(record) if name in found},
            objective=record.trial.objective if record else VAL_LOSS,
        )
        for step, found in sorted(points.items())
    )


def _folds(found: Mapping[str, float], n_folds: int) -> tuple[FoldScores, ...]:
    """The scores of each fold; a refit of a trial with folds has none."""
    folds = _fold_names(n_folds)
    if found.keys().isdisjoint(chain(*folds)):
        return ()
    return tuple(FoldScores(*(found.get(name, math.nan) for name in fold)) for fold in folds)


def score_names(record: TrialRecord | None) -> list[str]:
    """The metrics that hold an epoch's scores; of an unknown trial, those that all have."""
    return [*names.SCORES, *chain(*_fold_names(_n_folds(record))), *_logged(record)]


def _n_folds(record: TrialRecord | None) -> int:
    return (record.trial.data.folds or 0) if record else 0


def _logged(record: TrialRecord | None) -> Sequence[str]:
    return record.logged if record else ()


def _fold_names(n_folds: int) -> list[list[str]]:
    return [[f"{name}_fold_{1 + fold}" for name in FoldScores._fields] for fold in range(n_folds)]


def _measured(found: dict[str, float]) -> dict[str, Any]:
    return {name: found.get(name, math.nan) for name in names.SCORES}
