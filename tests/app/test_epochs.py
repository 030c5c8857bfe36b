"""A study whose trials have their own numbers of epochs, with real stores and real workers."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.tracking.reader import read_rows
from pipeline.trial import TrialState
from tests.app.studies import PRUNED_TOO, check_ledgers_agree, study_in, table

N_TRIALS = 10
LONG = {"low": 1.0, "high": 4.0, "when": {"epochs": {"at_least": 4}}}
SEARCHED: dict[str, Any] = {
    "space": PRUNED_TOO["space"] | {"depth": 1, "schedule": "cosine", "max_norm": LONG},
    "training": {"epochs": {"low": 1, "high": 6}},
    "search": {"trials": N_TRIALS, "sampler": "random", "seed": 3, "block": 4}
    | {"stopping": "halving", "first_rung": 2},
    "trials": [{"epochs": 1}, {"epochs": 6, "dropout": 0.1}],
}


@pytest.mark.slow
def test_trials_of_different_epochs_keep_every_promise(tmp_path: Path) -> None:
    for n_workers in (1, 2):
        study_in(tmp_path / str(n_workers), **SEARCHED).run(workers=n_workers)
        check_ledgers_agree(tmp_path / str(n_workers), N_TRIALS)
    assert table(tmp_path / "1") == table(tmp_path / "2")
    workspace = Workspace(home=tmp_path / "2", tracking_uri=None)
    rows = show_study(workspace, "small").trials
    assert [row.params["epochs"] for row in rows[:2]] == [1, 6]
    assert all(("max_norm" in row.params) == (int(row.params["epochs"]) >= 4) for row in rows)
    complete = [row for row in rows if row.state is TrialState.COMPLETE]
    assert all(len(row.scores) == row.params["epochs"] for row in complete)
    in_mlflow = read_rows(workspace.ledger_uri, "small")
    assert [row.params for row in in_mlflow] == [row.params for row in rows]
    assert examine(workspace).is_healthy
    pruned = next(row.number for row in rows if row.state is TrialState.PRUNED)
    for number in (1, pruned):
        assert reproduce(workspace, "small", trial=number).as_json()["verdict"] == "identical"
