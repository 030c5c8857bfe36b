"""What is shown of a study while it starts, and of what is stored."""

from itertools import groupby
from pathlib import Path

import pytest

from pipeline.app.browse import look_at, summarise
from pipeline.app.retraining.reproduce import read_recorded
from pipeline.app.workspace import Workspace
from pipeline.search.storage.store import TrialStore
from pipeline.trial import Cohort
from tests.app.events import Told
from tests.app.studies import searched
from tests.search.studies import Stores, study


def test_a_stored_file_that_this_version_refuses_has_no_answer_and_is_no_error() -> None:
    stores = Stores()
    stores.run(study(trials=9, sampler="random"))
    store = TrialStore(stores.storage, "small")
    assert summarise(store) is not None
    document = store.document
    assert document is not None
    study_id = stores.storage.get_study_id_from_name("small")
    stores.storage.set_study_user_attr(study_id, "document", document | {"later": 1})
    assert summarise(TrialStore(stores.storage, "small")) is None


def test_short_run_ids_are_those_of_the_trials(home: Path) -> None:
    workspace = Workspace(home=home, tracking_uri=None)
    shown = look_at(workspace, "small")
    assert shown.answer is not None
    for run_id, short in list(shown.run_ids.items())[:2]:
        assert len(short) == 8
        assert read_recorded(workspace, short, None).run_id == run_id


@pytest.mark.slow
def test_a_run_says_what_its_start_up_waits_for_and_whom_it_hands_out(tmp_path: Path) -> None:
    progress = Told()
    searched(tmp_path, trials=2).run(workers=1, progress=progress)
    steps = [one for one in progress.news if isinstance(one, str)]
    cohorts = [one for one in progress.news if isinstance(one, Cohort)]
    told = [step for step, _ in groupby(one for one in steps if one != "workers")]
    data = ["data", "reading digits", "decoding digits"]
    assert told == ["checks", *data, "optuna", "mlflow", ""]
    assert steps[-2:] == ["workers", ""]
    assert sorted(number for cohort in cohorts for number in cohort.numbers) == [0, 1]
