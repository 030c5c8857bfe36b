"""Modules and data of the user's own keep the promises, confirmation included."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.app.placement.placement import Placement
from pipeline.app.retraining.confirm import Candidates
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError
from tests.app.studies import check_ledgers_agree, study_in

pytestmark = pytest.mark.slow

MODULES = "tests.learning.custom.modules"
OWN: dict[str, Any] = {
    "model": {"class_path": f"{MODULES}.Plain"},
    "space": {"hidden": {"choices": [8, 16]}, "dropout": {"low": 0.0, "high": 0.6}},
    "training": {"epochs": 2},
    "search": {"trials": 3, "seed": 1},
    "trials": [],
}


@pytest.mark.parametrize(
    "data", [{"name": "digits"}, {"class_path": f"{MODULES}.Blobs"}], ids=["built-in", "own"]
)
def test_an_own_module_is_searched_reproduced_and_confirmed(
    data: dict[str, Any], tmp_path: Path
) -> None:
    result = study_in(tmp_path, **OWN | {"data": data}).run(workers=2)
    assert result.counts == {"complete": 3, "pruned": 0, "failed": 0}
    check_ledgers_agree(tmp_path, 3)
    workspace = Workspace(home=tmp_path, tracking_uri=None)
    assert reproduce(workspace, "small", trial="best").comparison.verdict == "identical"
    confirmed = Candidates.read(workspace, "small", top=1).confirm(
        seeds=2, placement=Placement(workers=1)
    )
    candidate, *_ = confirmed.answer.candidates
    assert candidate.number == confirmed.answer.winner
    assert candidate.test_loss is not None
    assert candidate.test_accuracy is not None
    assert candidate.test_accuracy.mean is not None
    assert 0 <= candidate.test_accuracy.mean <= 1
    assert confirmed.test_openings == 1


def test_data_without_test_rows_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    data = {"class_path": f"{MODULES}.Untested"}
    study_in(tmp_path, **OWN | {"data": data}).run(workers=1)
    workspace = Workspace(home=tmp_path, tracking_uri=None)
    with pytest.raises(BadInputError, match="has no test_dataloader, which confirming needs"):
        Candidates.read(workspace, "small", top=1)
