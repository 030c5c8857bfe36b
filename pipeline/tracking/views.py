"""Saved views of MLflow's runs page: which runs a link opens, in which order, columns and charts.

MLflow keeps a view in a tag of the experiment, as its own button *Save view* writes it, and lists
all views in a menu of the page. What a view shows follows from the study file alone, so one that is
written again is the same.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from mlflow.entities import Experiment
from mlflow.tracking import MlflowClient

from pipeline.config import Space, StudyConfig, is_fixed, values_of
from pipeline.tracking import names
from pipeline.trial import TrialState

TAG: Final = "mlflow.sharedViewState."
"""Begins the name of a view's tag; the view's key ends it."""
COMPLETE: Final = f"tags.{names.TRIAL_STATE} = '{TrialState.COMPLETE}'"
"""No reproduction, repeat or refit has the tag, and no earlier attempt is complete."""
EVERY: Final = f"tags.{names.TRIAL_NUMBER} LIKE '%'"
OURS: Final = '"updatedAt": 0'
"""In the tag of a view that no user has saved."""
LEADERBOARD: Final = "leaderboard"
CURVES: Final = "curves"
TRIALS: Final = "trials"
"""The keys of the views."""
TITLES: Final = {
    LEADERBOARD: "Leaderboard",
    CURVES: "Curves of the ten best",
    TRIALS: "All trials",
}
"""What MLflow's menu calls them."""
MACHINE_LEARNING: Final = "workflowType=machine_learning"
"""Without it a page of MLflow 3 opens in its mode for language models."""
MOST_SETTINGS: Final = 40
"""A tag of an experiment holds 20,000 characters."""
MOST_AXES: Final = 6
"""Parameters in a chart that is as wide as the page: their titles must not overlap."""
CURVES_TOO: Final = ("generalization_gap", "train_loss_no_dropout")
MODEL_METRICS: Final = "Model metrics"
"""MLflow's own section, which it fills with a chart of each metric that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view of a study's runs.

    Attributes:
        key: Ends the tag's name and the link.
        state: MLflow's own keys: which runs, in which order, with which columns and charts.
    """

    key: str
    state: Mapping[str, Any]

    @property
    def tag(self) -> str:
        """The tag's value; it holds no time, so that the same view is the same text."""
        packed = zlib.compress(json.dumps(self.state).encode(), level=9)
        state = f"deflate;{base64.b64encode(packed).decode()}"
        return json.dumps(
            {"name": TITLES[self.key], "createdAt": 0, "updatedAt": 0, "state": state}
        )


def views_of(study: StudyConfig) -> list[View]:
    """The views of a study: its leaderboard, the curves of the best, and all of its trials."""
    best = _metric(names.best_score(study.objective))
    scores = [best, _metric(names.BEST_EPOCH)]
    settings = [
        *map(_param, _searched(study)),
        _metric(names.DROPOUT_MEAN),
        _metric(names.N_PARAMETERS),
    ]
    ranked = _table([*scores, *settings]) | {
        "searchFilter": COMPLETE,
        "orderByKey": best,
        "orderByAsc": not study.objective.is_maximized,
    }
    in_order = _table([_tag(names.TRIAL_STATE), *scores, *settings, _tag(names.CAUSE)]) | {
        "searchFilter": EVERY,
        # Ordered by time, MLflow folds them below the study's run.
        "orderByKey": _tag(names.RUN_NAME),
        "orderByAsc": True,
    }
    return [
        View(key=LEADERBOARD, state=ranked),
        View(key=CURVES, state=ranked | _charts(study)),
        View(key=TRIALS, state=in_order),
    ]


def write_views(client: MlflowClient, experiment: Experiment, study: StudyConfig) -> None:
    """Write the views that the experiment does not have, or has from an earlier version.

    One that a user has saved under its name, for which MLflow has a button, stays as it is.
    """
    for view in views_of(study):
        saved = experiment.tags.get(TAG + view.key, OURS)
        if OURS in saved and saved != view.tag:
            client.set_experiment_tag(experiment.experiment_id, TAG + view.key, view.tag)


def has_views(experiment: Experiment) -> bool:
    """Whether all views are there; a study that an earlier version has run has none."""
    return all(TAG + key in experiment.tags for key in TITLES)


def page_of(experiment_id: str, key: str) -> str:
    """The page of a view, as it follows the server's address."""
    mode = "CHART" if key == CURVES else "TABLE"
    query = f"{MACHINE_LEARNING}&compareRunsMode={mode}&viewStateShareKey={key}"
    return f"#/experiments/{experiment_id}/runs?{query}"


def page_of_run(experiment_id: str, run_id: str) -> str:
    """The page of a run, as it follows the server's address."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{MACHINE_LEARNING}"


def page_to_compare(experiment_id: str, run_ids: Sequence[str]) -> str:
    """The page that compares runs, as it follows the server's address."""
    runs, experiments = _listed(run_ids), _listed([experiment_id])
    return f"#/compare-runs?runs={runs}&experiments={experiments}&{MACHINE_LEARNING}"


def _listed(ids: Sequence[str]) -> str:
    return quote(json.dumps(list(ids), separators=(",", ":")))


def _searched(study: StudyConfig) -> list[str]:
    """The parameters that are searched, the rates first; of very many not all."""
    domains = study.space.domains
    searched = [name for name, domain in domains.items() if not is_fixed(domain)]
    rates = [name for name in searched if "dropout" in name]
    return list(dict.fromkeys([*rates, *searched]))[:MOST_SETTINGS]


def _table(columns: Sequence[str]) -> dict[str, Any]:
    return {
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": {column: _width(column) for column in columns},
        "runsHiddenMode": "FIRST_10_RUNS",
        "groupBy": None,
    }


def _width(column: str) -> int:
    """Pixels that show the column's whole title, beside the sign of its order."""
    return min(300, max(90, 40 + 8 * len(column.partition("`")[2])))


def _charts(study: StudyConfig) -> dict[str, Any]:
    curves = dict.fromkeys((study.objective.metric, *CURVES_TOO))
    return {
        "compareRunCharts": [*map(_line, curves), _parallel(study)],
        "compareRunSections": [
            _section("curves", "Curves by epoch"),
            _section("settings", "Settings and value of all complete trials") | {"columns": 1},
            _section("metrics", MODEL_METRICS, is_open=False),
        ],
        "isAccordionReordered": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0},
    }


def _line(metric: str) -> dict[str, Any]:
    axes = {"xAxisKey": "step", "scaleType": "linear", "lineSmoothness": 0}
    chart = _chart("LINE", f"line-{metric}", "curves")
    return chart | {"metricKey": metric, "selectedMetricKeys": [metric]} | axes


def _parallel(study: StudyConfig) -> dict[str, Any]:
    """MLflow draws no line of a run that lacks one of the axes: those that all trials have."""
    shared = [name for name in _searched(study) if _has_every_trial(study.space, name)]
    return _chart("PARALLEL", "parallel", "settings") | {
        "selectedParams": shared[:MOST_AXES],
        "selectedMetrics": [names.DROPOUT_MEAN, names.best_score(study.objective)],
        "showAllRuns": True,
    }


def _has_every_trial(space: Space, name: str) -> bool:
    """Whether the conditions of a parameter hold whatever is chosen for the others."""
    return all(
        _has_every_trial(space, other)
        and all(map(condition.holds, values_of(space.domains[other], corners=True)))
        for other, condition in space.conditions[name]
    )


def _chart(kind: str, uuid: str, section: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": uuid,
        "metricSectionId": section,
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
    }


def _section(uuid: str, name: str, *, is_open: bool = True) -> dict[str, Any]:
    flags = {"display": is_open, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, **flags}


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _param(name: str) -> str:
    return f"params.`{name}`"


def _tag(name: str) -> str:
    return f"tags.`{name}`"
