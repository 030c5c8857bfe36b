"""The gap of a real study, read from both ledgers."""

from pathlib import Path

import pytest

from pipeline.app.gap import read_gap
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError


@pytest.mark.slow
def test_gap_of_a_study_is_smoothed_by_parameter_and_averaged_by_epoch(home: Path) -> None:
    found = read_gap(Workspace(home=home, tracking_uri=None), "small")
    assert found is not None
    assert [one.epoch for one in found.epochs] == list(range(1, len(found.epochs) + 1))
    assert all(one.low <= one.mean <= one.high for one in found.epochs)
    assert set(found.as_json()) == {"words", "parameters", "epochs"}


def test_gap_of_a_study_that_is_not_there_is_refused(home: Path) -> None:
    with pytest.raises(BadInputError, match="nowhere"):
        read_gap(Workspace(home=home, tracking_uri=None), "nowhere")
