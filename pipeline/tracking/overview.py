"""What a study's own run says of the study, written so that each point stands there once."""

import time
from collections.abc import Iterable, Mapping

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline.tracking.points import Points
from pipeline.tracking.store import database_of, forget_metric
from pipeline.trial import Overview, Point


def write_overview(client: MlflowClient, run_id: str, overview: Overview, uri: str) -> None:
    """Write what a study's run does not say yet.

    A total that has changed gets a new point behind its last one. A best value that was another one
    is no longer true: a trial that had failed was trained again. The embedded store forgets it; a
    server takes no point back, and keeps it.

    Args:
        client: Connected to MLflow.
        run_id: The study's run.
        overview: What it is to say.
        uri: MLflow's address.
    """
    run = client.get_run(run_id)
    known = read_points(client, run, overview.metrics)
    if database := database_of(uri):
        for name in overview.untrue(known):
            forget_metric(database, run_id, name)
            known = {point: values for point, values in known.items() if point[0] != name}
    settings = overview.settings.items()
    missing = {name: text for name, text in settings if name not in run.data.params}
    points = Points(run_id, missing, known)
    _add_news(points, overview, known, run.data.metrics)
    if not points.is_empty:
        points.write(client)


def _add_news(
    points: Points, overview: Overview, known: Iterable[Point], latest: Mapping[str, float]
) -> None:
    """Add the best values that the run does not have, and the totals where they have changed."""
    now_ms = time.time_ns() // 1_000_000
    for (name, number), value in overview.best_so_far.items():
        points.add({name: value}, step=number, timestamp_ms=now_ms)
    if overview.is_news(latest):
        last = max((step for name, step in known if name in overview.totals), default=-1)
        step = max(overview.n_trials, 1 + last)
        points.add(overview.totals, step=step, timestamp_ms=now_ms)


def read_points(client: MlflowClient, run: Run, metrics: Iterable[str]) -> dict[Point, list[float]]:
    """Read the values of each (metric, step) of a run, the earliest first.

    Args:
        client: Connected to MLflow.
        run: The run.
        metrics: Those to read; the run may lack some.
    """
    points: dict[Point, list[float]] = {}
    for name in metrics:
        for point in client.get_metric_history(run.info.run_id, name):
            points.setdefault((name, point.step), []).append(point.value)
    return points
