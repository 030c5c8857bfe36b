"""Settings trained outside a study's search."""

from pathlib import Path

import pytest

from pipeline.app.inputs import prepare_trial
from pipeline.app.training import train
from pipeline.app.workspace import Workspace
from pipeline.config import TrialConfig
from pipeline.tracking.reader import read_trial
from pipeline.tracking.store import tracking_uri
from pipeline.trial import Assignment, Cohort, EpochScores, TrialOutcome

pytestmark = pytest.mark.slow

N_EPOCHS = 3


def test_repeats_of_a_trial_are_trained_side_by_side_and_told_apart(home: Path) -> None:
    config = read_trial(tracking_uri(home), "small", "best").record.trial
    repeats = [config.model_copy(update={"repeat": repeat}) for repeat in (1, 2, 3)]
    cohorts = [Cohort((Assignment(config=repeat, epochs=N_EPOCHS),)) for repeat in repeats]
    seen: dict[int, list[int | None]] = {1: [], 2: [], 3: []}

    def watch(repeat: TrialConfig, news: EpochScores | TrialOutcome) -> None:
        assert news.key == (config.number, repeat.repeat)
        seen[repeat.repeat].append(news.epoch if isinstance(news, EpochScores) else None)

    data = prepare_trial(config, Workspace(home=home, tracking_uri=None), where="tests")
    ended = train(cohorts, data, n_workers=2, watch=watch)
    assert {repeat.repeat for repeat, _ in ended} == {1, 2, 3}
    assert seen == {repeat: [1, 2, 3, None] for repeat in (1, 2, 3)}
    assert len({outcome.weights_sha256 for _, outcome in ended}) == 3
