"""Layers and conditions of a user's own class: what its constructor gets, and both ledgers."""

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from pipeline.app.doctor import examine
from pipeline.app.inputs import first_setting
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, check_study
from pipeline.errors import BadInputError
from pipeline.learning.custom.checks import check_custom
from pipeline.learning.custom.load import load_module
from pipeline.learning.data import PreparedData
from pipeline.search.blocks import resolve
from pipeline.tracking.reader import read_rows
from pipeline.trial import TrialRecord, TrialState
from tests.app.studies import check_ledgers_agree, table
from tests.learning.custom.modules import Blobs, Plain
from tests.learning.custom.trials import fit

HERE = __name__
SPACE: dict[str, Any] = {
    "n_layers": {"low": 0, "high": 2},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": "n_layers"},
    "optimizer": {"choices": ["sgd", "adam"]},
    "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": {"equals": "sgd"}}},
    "norm": {"choices": [True, False], "when": {"n_layers": {"at_least": 1}}},
    "head.p": {"choices": [0.1, 0.2], "per_layer": "n_layers", "when": {"norm": {"equals": True}}},
}


class Head(nn.Module):
    """An object that takes a list."""

    def __init__(self, p: list[float] | None = None) -> None:
        """Keep it."""
        super().__init__()
        self.p = p


class Deep(Plain):
    """As many hidden layers as it is given dropout rates."""

    def __init__(
        self,
        dropout: list[float],
        optimizer: str,
        head: Head,
        *,
        momentum: float = 0.25,
        norm: bool = False,
    ) -> None:
        """Build the layers."""
        super().__init__()
        del optimizer
        self.given = {"dropout": dropout, "momentum": momentum, "norm": norm, "p": head.p}
        sizes = [64, *[8] * len(dropout)]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, rate in zip(sizes, dropout, strict=False):
            layers += [nn.Linear(before, 8), nn.ReLU(), nn.Dropout(rate)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


class Layered(Blobs):
    """A data module that takes a list."""

    def __init__(self, noise: list[float], batch_size: int = 20) -> None:
        """Keep it."""
        super().__init__(batch_size=batch_size)
        self.noise = noise


def study(*trials: dict[str, Any], model: str = "Deep", **space: Any) -> StudyConfig:
    model_ = {
        "class_path": f"{HERE}.{model}",
        "init_args": {"head": {"class_path": f"{HERE}.Head"}},
    }
    return check_study(
        {
            "name": "own",
            "data": {"name": "digits"},
            "model": model_,
            "space": SPACE | space,
            "training": {"epochs": 1},
            "search": {
                "trials": 6,
                "sampler": "gp",
                "stopping": "none",
                "block": 2,
                "finalists": 0,
            },
            "trials": trials,
        },
        "study.yaml",
    )


BOTH = {"dropout_1": 0.1, "dropout_2": 0.2, "head.p_1": 0.1, "head.p_2": 0.2}


@pytest.mark.parametrize(
    ("params", "given"),
    [
        (
            {"n_layers": 2, "optimizer": "sgd", "momentum": 0.5, "norm": True},
            {"dropout": [0.1, 0.2], "momentum": 0.5, "norm": True, "p": [0.1, 0.2]},
        ),
        (
            {"n_layers": 1, "optimizer": "adam", "momentum": 0.5, "norm": False},
            {"dropout": [0.1], "momentum": 0.25, "norm": False, "p": None},
        ),
        (
            {"n_layers": 0, "optimizer": "sgd", "momentum": 0.5, "norm": True},
            {"dropout": [], "momentum": 0.5, "norm": False, "p": None},
        ),
    ],
    ids=["all", "one layer", "no layer"],
)
def test_a_constructor_gets_lists_and_its_own_defaults(
    digits: PreparedData, params: dict[str, Any], given: dict[str, Any]
) -> None:
    config = resolve(study(), 0, params | BOTH)
    outcome = fit(digits, config)
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    record = TrialRecord.model_validate_json(TrialRecord.of(config, outcome).file)
    assert record.trial == config
    assert outcome.weights is not None
    module = load_module(record, outcome.weights)
    assert isinstance(module, Deep)
    assert module.given == given


@pytest.mark.slow
def test_a_study_with_layers_and_conditions_keeps_every_promise(tmp_path: Path) -> None:
    fixed = {"n_layers": 2, "dropout": 0.25, "optimizer": "sgd", "momentum": 0.8}
    for n_workers in (1, 2):
        workspace = Workspace(home=tmp_path / str(n_workers), tracking_uri=None)
        result = Study(config=study(fixed), workspace=workspace).run(workers=n_workers)
        assert result.counts["complete"] == 6, [row.cause for row in result.trials]
        check_ledgers_agree(workspace.home, 6, "own")
    assert table(tmp_path / "1", "own") == table(tmp_path / "2", "own")
    rows, space = result.trials, study().space
    assert all(set(row.params) == set(space.active(row.params)) for row in rows)
    assert rows[0].params.items() >= {"dropout_1": 0.25, "dropout_2": 0.25, "momentum": 0.8}.items()
    assert len({tuple(row.params) for row in rows}) > 2
    assert [row.params for row in read_rows(workspace.ledger_uri, "own")] == [
        row.params for row in rows
    ]
    assert examine(workspace).is_healthy
    again = reproduce(workspace, "own", trial=0)
    assert again.as_json()["verdict"] == "identical", again.comparison.first_difference


@pytest.mark.parametrize(
    ("space", "key", "said"),
    [
        ({"optimizer": "sgd", "momentum": 0.5}, None, ""),
        ({"layers": {"low": 1, "high": 2}}, "space.layers", "not an argument of"),
        ({"rate": {"choices": [1, 2], "per_layer": "n_layers"}}, "space.rate", "not an argument"),
        (
            {"dropout": SPACE["dropout"] | {"when": {"optimizer": {"equals": "sgd"}}}},
            "space.dropout.when",
            "has no default for it",
        ),
        ({"head.q": {"choices": [1], "per_layer": "n_layers"}}, None, ""),
        ({"tail.q": {"choices": [1], "per_layer": "n_layers"}}, "space.tail.q", "not an argument"),
        (
            {"dropout": {"choices": [1]}, "dropout_1": 1},
            "space.dropout_1",
            "not an argument of",
        ),
    ],
    ids=["constants", "nobody's", "a list", "required", "dotted", "no object", "no list"],
)
def test_layers_and_conditions_must_fit_the_constructor(
    space: dict[str, Any], key: str | None, said: str
) -> None:
    if key is None:
        check_custom(study(**space), "study.yaml")
        return
    with pytest.raises(BadInputError) as caught:
        check_custom(study(**space), "study.yaml")
    told = str(caught.value)
    assert told.startswith(f"study.yaml: {key}: "), told
    assert said in told


def test_a_data_module_is_prepared_with_a_setting_that_has_its_lists() -> None:
    changes: dict[str, Any] = {
        "n_layers": {"choices": [2, 1]},
        "noise": {"low": 0.0, "high": 1.0, "per_layer": "n_layers"},
        "norm": True,
        "head.p": {"choices": [0.1], "per_layer": "n_layers"},
    }
    setting = first_setting(study(**changes).space)
    assert setting == {
        "n_layers": 2,
        "noise": [0.0, 0.0],
        "dropout": [0.0, 0.0],
        "head.p": [0.1, 0.1],
        "optimizer": "sgd",
        "momentum": 0.5,
        "norm": True,
    }
    adam = study(optimizer={"choices": ["adam", "sgd"]})
    assert "momentum" not in first_setting(adam.space)
