"""Every model keeps the promises: one table for any number of workers, reproduction proved."""

import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.tracking.reader import read_trial
from pipeline.trial import curve_sha256
from tests.app.planted import train_here
from tests.app.studies import check_ledgers_agree, study_in, table
from tests.long_form import in_long_form

pytestmark = pytest.mark.slow

DENSE = {
    "width": {"choices": [16, 24]},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": 64,
    "learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
}
BLOCKS = {
    "blocks": {"low": 1, "high": 2},
    "filters": {"choices": [2, 4]},
    "block_dropout": {"low": 0.0, "high": 0.5, "per_layer": True},
}
STUDIES: dict[str, dict[str, Any]] = {
    "cnn": {
        "model": {"name": "cnn"},
        "space": BLOCKS | DENSE | {"regularizer": {"choices": ["dropout", "channel-dropout"]}},
        "trials": [{"blocks": 2, "filters": 2, "block_dropout": 0.1}],
    },
    "autoencoder": {
        "model": {"name": "autoencoder"},
        "space": DENSE | {"depth": {"low": 1, "high": 2}},
        "trials": [{"depth": 1, "dropout": 0.0}],
    },
    "highest accuracy": {
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
        "space": DENSE | {"depth": {"low": 0, "high": 2}},
        "trials": [{"depth": 1, "dropout": 0.2}],
    },
    "folds": {
        "data": {"name": "digits", "folds": 3},
        "space": DENSE
        | {
            "depth": {"low": 0, "high": 2},
            "max_norm": {"low": 0.5, "high": 3.0},
            "label_smoothing": {"low": 0.0, "high": 0.2},
            "class_weights": {"choices": ["none", "balanced"]},
        },
        "trials": [{"depth": 1, "dropout": 0.2}],
    },
    "regression": {
        "data": {"name": "digits", "validation": 0.25, "task": "regression"},
        "training": {"epochs": 3, "loss": "huber"},
        "space": DENSE | {"depth": {"low": 0, "high": 2}},
        "trials": [{"depth": 1, "dropout": 0.2}],
    },
    "dropconnect": {
        "space": DENSE
        | {
            "depth": {"low": 1, "high": 2},
            "regularizer": {"choices": ["dropout", "dropconnect"]},
            "activation": {"choices": ["relu", "tanh"]},
        },
        "trials": [{"regularizer": "dropconnect", "depth": 1, "activation": "relu"}],
    },
}
SEARCH = {"trials": 6, "sampler": "tpe", "stopping": "median", "seed": 1, "block": 2}
TRAINING = {"epochs": 3}


LONG = ("autoencoder", "dropconnect")


@pytest.mark.parametrize(
    "kind", [in_long_form(kind) if kind in LONG else kind for kind in sorted(STUDIES)]
)
def test_every_kind_of_study_keeps_the_promises(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"search": SEARCH, "training": TRAINING} | STUDIES[kind]
    tables = []
    for workers in (1, 2):
        home = tmp_path / str(workers)
        result = study_in(home, **changes).run(workers=workers, max_cohort=workers)
        assert result.counts["failed"] == 0
        check_ledgers_agree(home, 6)
        tables.append(table(home))
    assert tables[0] == tables[1]
    train_here(monkeypatch)
    workspace = Workspace(home=tmp_path / "2", tracking_uri=None)
    answer = reproduce(workspace, "small", trial="best")
    assert answer.comparison.verdict == "identical", answer.comparison
    recorded = read_trial(workspace.ledger_uri, "small", "best")
    assert curve_sha256(recorded.curve) == recorded.record.curves_sha256
    assert math.isnan(recorded.curve[0].val_accuracy) == (kind in ("autoencoder", "regression"))
    scores = {"val_mae", "val_r2"} if kind == "regression" else set()
    assert recorded.curve[0].logged.keys() == scores
    assert len(recorded.curve[0].folds) == (3 if kind == "folds" else 0)
