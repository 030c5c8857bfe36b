"""A study that begins with another one's outcomes, with real stores, networks and workers."""

import hashlib
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow.entities import Run

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.cli.render.studies import result_lines
from pipeline.errors import BadInputError
from pipeline.search.storage.opening import open_storage
from pipeline.search.storage.store import TrialStore
from pipeline.tracking.client import connect
from pipeline.tracking.store import tracking_uri
from pipeline.trial import WarmStart
from tests.app.sick import copied, digests
from tests.app.studies import (
    PRUNED_TOO,
    check_ledgers_agree,
    file_of,
    run_command,
    study_in,
    table,
)

pytestmark = pytest.mark.slow

SEARCH: dict[str, Any] = {"trials": 8, "block": 3, "seed": 5, "warm_start": "other"}
N_TRIALS = 8


def asked(home: Path, **search: Any) -> Study:
    """The small study, which begins with the other one."""
    return study_in(home, search=SEARCH | search)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the other study has ended; nobody may change it."""
    path = tmp_path_factory.mktemp("prepared") / "home"
    study_in(path, name="other").run(workers=2)
    return path


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with both studies; nobody may change it."""
    path = copied(prepared, tmp_path_factory.mktemp("trained") / "home")
    asked(path).run(workers=1)
    return path


def workspace(home: Path) -> Workspace:
    """A home with its embedded stores."""
    return Workspace(home=home, tracking_uri=None)


def study_run(home: Path) -> Run:
    """The study's run by MLflow's own client."""
    client = connect(tracking_uri(home))
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.study_run = 'true'")
    return run


def kept_in(home: Path) -> WarmStart:
    """What Optuna's storage says that the study began with."""
    storage = open_storage(None, home / "optuna.journal", to_write=False)
    assert storage is not None
    kept = TrialStore(storage, "small").warm_start
    assert kept is not None
    return kept


def delete(home: Path, name: str) -> None:
    """Delete a study in Optuna's storage."""
    storage = open_storage(None, home / "optuna.journal", to_write=True)
    assert storage is not None
    optuna.delete_study(study_name=name, storage=storage)


def artifact(home: Path) -> bytes:
    """What MLflow holds of the outcomes."""
    (path,) = (home / "artifacts" / "small").rglob("warm_start.json")
    return path.read_bytes()


def test_both_ledgers_and_the_result_say_which_outcomes_the_table_followed_from(
    trained: Path,
) -> None:
    kept = kept_in(trained)
    assert study_run(trained).data.tags["warm_start_sha256"] == kept.sha256
    assert artifact(trained) == kept.file
    assert hashlib.sha256(artifact(trained)).hexdigest() == kept.sha256
    told = [outcome["trial"] for outcome in json.loads(artifact(trained))["outcomes"]]
    assert told == list(range(14))
    result = show_study(workspace(trained), "small")
    answer = {"study": "other", "outcomes": 14, "sha256": kept.sha256}
    assert result.as_json()["warm_start"] == answer
    result = asked(trained).run(workers=1)
    assert result.as_json()["warm_start"] == answer
    assert "  began with 14 outcomes of study other" in result_lines(result)
    assert show_study(workspace(trained), "other").as_json()["warm_start"] is None
    assert examine(workspace(trained)).is_healthy


def test_each_trial_has_its_run(trained: Path) -> None:
    check_ledgers_agree(trained, N_TRIALS)


def test_table_is_the_same_for_two_workers_and_goes_on_without_the_other_study(
    prepared: Path, trained: Path, tmp_path: Path
) -> None:
    home = copied(prepared, tmp_path / "home")
    asked(home, trials=4).run(workers=2)
    delete(home, "other")
    asked(home).run(workers=2)
    assert table(home) == table(trained)
    assert kept_in(home) == kept_in(trained)


def test_doctor_writes_the_outcomes_anew_where_mlflow_has_lost_the_study(
    trained: Path, tmp_path: Path
) -> None:
    home = copied(trained, tmp_path / "home")
    client, run = connect(tracking_uri(home)), study_run(home)
    client.delete_run(run.info.run_id)
    examine(workspace(home), fix=True)
    assert study_run(home).data.tags["warm_start_sha256"] == kept_in(home).sha256


def test_trials_that_follow_from_other_outcomes_are_not_written_beside_the_old_ones(
    trained: Path, tmp_path: Path
) -> None:
    home = copied(trained, tmp_path / "home")
    delete(home, "small")
    study_in(home, name="other", search=PRUNED_TOO["search"] | {"trials": 17}).run(workers=2)
    with pytest.raises(BadInputError, match=r"search\.warm_start: got 'other' with outcomes of "):
        asked(home).run(workers=1)
    assert artifact(home) == artifact(trained)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"warm_start": "nobody"}, "got 'nobody', which no run has made in this storage, expected"),
        ({"warm_start": "small"}, "got 'small', expected another study's name"),
        ({"sampler": "tpe"}, "got 'other', expected no value with sampler: tpe; gp can use it"),
    ],
)
def test_wrong_study_is_bad_input_and_changes_nothing_on_disk(
    prepared: Path, tmp_path: Path, search: dict[str, Any], message: str
) -> None:
    before = digests(prepared)
    path = file_of(tmp_path, PRUNED_TOO | {"search": SEARCH | search})
    words = ("run", path, "--home", prepared, "--workers", "1")
    told = run_command(*words, code=2).stderr
    assert told.startswith(f"error: {path}: search.warm_start: {message}")
    assert "Traceback" not in told
    assert digests(prepared) == before
