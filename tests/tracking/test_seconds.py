"""Where a study's seconds went is kept with its run, over all runs of it."""

from pathlib import Path

from mlflow.entities import RunInfo
from mlflow.tracking import MlflowClient

from pipeline.tracking import names, runs
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.seconds import read_time_spent
from pipeline.trial import RunTime, StudyState, TimeSpent
from tests.tracking.builders import folder_of, reopened, row


def spent(began: str, total: float) -> RunTime:
    """A run that was training all the time."""
    seconds = {"total": total, "training": total}
    return RunTime(
        began=began, n_workers=2, seconds=seconds, start_up={}, machinery={"mlflow": 0.5}
    )


def study_run(client: MlflowClient) -> RunInfo:
    """The study's run."""
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    run = runs.study_run(client, experiment.experiment_id)
    assert run is not None
    info: RunInfo = run.info
    return info


def test_seconds_of_runs_add_up_and_a_repeated_close_counts_once(
    ledger: MlflowLedger, client: MlflowClient, home: Path
) -> None:
    assert read_time_spent(client, study_run(client)) == TimeSpent()
    ledger.close(StudyState(rows=[row(0)], is_done=False, spent=spent("first", 2.0)))
    ledger.close(StudyState(rows=[row(0)], is_done=False, spent=spent("first", 3.0)))
    reopened(home).close(StudyState(rows=[row(0)], is_done=True, spent=spent("second", 4.0)))
    reopened(home).close(StudyState(rows=[row(0)], is_done=True))  # a repair trains nothing
    found = read_time_spent(client, study_run(client))
    assert [run.began for run in found.runs] == ["first", "second"]
    assert found.seconds == {"total": 7.0, "training": 7.0}
    assert found.machinery == {"mlflow": 1.0}


def test_damaged_seconds_are_none_and_the_next_run_writes_them_anew(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    info = study_run(client)
    (folder_of(info.artifact_uri) / names.SECONDS).write_text('{"runs": 3}')
    assert read_time_spent(client, info) == TimeSpent()
    ledger.close(StudyState(rows=[row(0)], is_done=True, spent=spent("first", 2.0)))
    assert read_time_spent(client, info).seconds["total"] == 2.0
