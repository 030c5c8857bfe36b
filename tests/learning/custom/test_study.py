"""A whole study of a user's own module and data, through the real engine and both ledgers."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.app.inputs import prepare_trial
from pipeline.app.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import check_study
from pipeline.errors import BadInputError
from tests.app.studies import check_ledgers_agree, table
from tests.learning.custom.trials import MODULES, own_trial

N_TRIALS = 5


def study_in(home: Path, *, model: str = "Plain", **space: Any) -> Study:
    """A small study of ``modules.py``."""
    given = {
        "name": "own",
        "data": {"class_path": f"{MODULES}.Blobs"},
        "model": {"class_path": f"{MODULES}.{model}"},
        "space": {
            "n_inputs": 8,
            "hidden": {"choices": [4, 16]},
            "dropout": {"low": 0.0, "high": 0.6},
            "batch_size": {"choices": [20, 30]},
        }
        | space,
        "training": {"epochs": 2, "device": "cpu"},
        "search": {"trials": N_TRIALS, "stopping": "median", "block": 2},
    }
    return Study(
        config=check_study(given, "own.yaml"), workspace=Workspace(home=home, tracking_uri=None)
    )


@pytest.mark.slow
def test_a_study_of_an_own_module_is_a_function_and_its_best_trial_is_reproduced(
    tmp_path: Path,
) -> None:
    for n_workers in (1, 2):
        home = tmp_path / str(n_workers)
        result = study_in(home).run(workers=n_workers)
        assert result.counts["failed"] == 0, [row.cause for row in result.trials]
        check_ledgers_agree(home, N_TRIALS, "own")
    assert table(tmp_path / "1", "own") == table(tmp_path / "2", "own")
    again = reproduce(Workspace(home=tmp_path / "1", tracking_uri=None), "own")
    assert again.comparison.verdict.value == "identical", again.comparison.first_difference


@pytest.mark.parametrize(
    ("model", "space", "said"),
    [
        ("NotThere", {}, "NotThere is not in its module"),
        ("Plain", {"hiden": 3}, "space.hiden: not an argument of"),
    ],
    ids=["class", "space"],
)
def test_a_study_that_does_not_fit_its_class_writes_nothing(
    tmp_path: Path, model: str, space: dict[str, Any], said: str
) -> None:
    home = tmp_path / "home"
    with pytest.raises(BadInputError, match="study: ") as caught:
        study_in(home, model=model, **space).run(workers=1)
    assert said in str(caught.value)
    assert not home.exists()


def test_a_trial_whose_class_is_gone_is_not_trained_again(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path / "home", tracking_uri=None)
    with pytest.raises(BadInputError, match=r"run 3: model\.class_path: .*Gone"):
        prepare_trial(own_trial("Gone"), workspace, where="run 3")
    assert not workspace.home.exists()
