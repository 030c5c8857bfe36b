"""A confirmation stands below its study, apart from the trials, and leaves nothing running."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline.config import NO_TRIAL, TrialConfig
from pipeline.errors import WorkFailedError
from pipeline.tracking.confirmation import ConfirmRun, confirming, read_n_fixed
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_rows, read_trial
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import (
    RecordedTrial,
    SealedScores,
    StudyState,
    TrialOutcome,
    TrialRecord,
    TrialState,
)
from tests.tracking.builders import config, files, folder_of, outcome, points, study

NOTE = "**Confirmed on new seeds.** trial 2 wins."
ANSWER: dict[str, Any] = {"winner": 2, "tied": [2, 0], "candidates": []}


@pytest.fixture
def trials(home: Path, ledger: MlflowLedger) -> list[RecordedTrial]:
    """Two trials of a study that has ended, as they are read."""
    for number in (0, 2):
        ledger.finish(config(number), outcome(number))
    ledger.close(StudyState(rows=[], is_done=True))
    return [read_trial(tracking_uri(home), "digits", number) for number in (2, 0)]


def repeated(number: int, repeat: int) -> TrialConfig:
    """A trial on new seeds."""
    return config(number).model_copy(update={"repeat": repeat})


def tagged(client: MlflowClient, tag: str) -> list[Run]:
    """The runs that bear a tag, oldest first."""
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    found = [run for run in client.search_runs(ids) if tag in run.data.tags]
    return sorted(found, key=lambda run: run.info.run_name or "")


def study_run(client: MlflowClient) -> Run:
    """The study's own run."""
    (run,) = tagged(client, "study_run")
    return run


def statuses(client: MlflowClient) -> set[str]:
    """What MLflow's runs are, all of them."""
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.status for run in client.search_runs(ids)}


@pytest.fixture
def confirmed(trials: list[RecordedTrial]) -> ConfirmRun:
    """A confirmation that has come to its end."""
    with confirming(trials, n_seeds=1) as run:
        run.write_repeat(repeated(2, 1), outcome(2))
        run.write_repeat(repeated(0, 1), outcome(0))
        run.note_opening()
        f1 = {"val_f1": 0.4, "test/acc": 0.8, "test_loss": 0.55}
        scores = {(2, 1): SealedScores(0.5, 0.75, f1), (0, 1): SealedScores(0.6)}
        run.write_test_scores(scores)
        run.write_answer(
            ANSWER, metrics={"val_loss_mean": 0.4, "val_loss_low": None}, note=NOTE, n_seeds=1
        )
    return run


@pytest.mark.usefixtures("confirmed")
def test_trials_alone_are_sorted_by_their_best_loss(client: MlflowClient) -> None:
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    ordered = client.search_runs(ids, order_by=["metrics.best_val_loss"])
    ranked = [run for run in ordered if "best_val_loss" in run.data.metrics]
    assert [run.info.run_name for run in ordered[:2]] == ["trial-000", "trial-002"]
    assert [run.data.tags["trial_number"] for run in ranked] == ["0", "2"]
    repeats = tagged(client, "repeat")
    assert [run.data.metrics["retrained_best_val_loss"] for run in repeats] == [
        trial.data.metrics["best_val_loss"] for trial in ordered[:2]
    ]


def test_runs_hang_below_the_study_and_the_confirmation(
    confirmed: ConfirmRun, trials: list[RecordedTrial], client: MlflowClient
) -> None:
    run_id = confirmed.run_id
    parent = study_run(client).info.run_id
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("confirm", "FINISHED")
    assert run.data.tags["mlflow.parentRunId"] == run.data.tags["confirm_of_study"] == parent
    assert run.data.tags["tied"] == "2, 0"
    assert run.data.metrics == {"val_loss_mean": 0.4}
    kept = json.loads((folder_of(run.info.artifact_uri) / "confirmation.json").read_bytes())
    assert kept == ANSWER
    repeats = tagged(client, "confirms")
    assert [one.info.run_name for one in repeats] == [
        "confirm-trial-000-repeat-1",
        "confirm-trial-002-repeat-1",
    ]
    for one, original in zip(repeats, reversed(trials), strict=True):
        assert one.info.status == "FINISHED"
        assert one.data.tags["mlflow.parentRunId"] == run_id
        assert one.data.tags["confirms"] == original.run_id
        assert one.data.tags["repeat"] == "1"
        assert "trial_number" not in one.data.tags


def test_repeat_holds_all_that_a_trial_does(confirmed: ConfirmRun, client: MlflowClient) -> None:
    assert confirmed.count_openings() == 1
    first, second = tagged(client, "confirms")
    assert first.data.params.keys() == config(0).params.keys()
    assert files(second.info.artifact_uri).keys() == {"record.json", "weights.safetensors"}
    record = TrialRecord.model_validate_json(
        (folder_of(second.info.artifact_uri) / "record.json").read_bytes()
    )
    assert (record.trial, record.state) == (repeated(2, 1), TrialState.COMPLETE)
    assert len(points(client, second.info.run_id)) == 3 * 8 + 3 + 3 + 3
    assert (second.data.metrics["test_loss"], second.data.metrics["test_accuracy"]) == (0.5, 0.75)
    of_module = {name: second.data.metrics[name] for name in ("test_val_f1", "test/acc")}
    assert of_module == {"test_val_f1": 0.4, "test/acc": 0.8}
    assert second.data.metrics["test_step/test_loss"] == 0.55
    assert first.data.metrics["test_loss"] == 0.6
    assert "test_accuracy" not in first.data.metrics
    assert second.inputs is not None
    assert len(second.inputs.dataset_inputs) == 1


def test_each_opening_of_the_test_part_is_counted(
    trials: list[RecordedTrial], client: MlflowClient
) -> None:
    for count in (1, 2):
        with confirming(trials, n_seeds=1) as run:
            assert run.count_openings() == count - 1
            assert "test_opened" not in client.get_run(run.run_id).data.tags
            run.note_opening()
            assert client.get_run(run.run_id).data.tags["test_opened"].endswith("+00:00")
        assert study_run(client).data.tags["test_openings"] == str(count)


def test_answer_ends_the_studys_note_in_place_of_an_earlier_one(
    confirmed: ConfirmRun, trials: list[RecordedTrial], client: MlflowClient
) -> None:
    assert confirmed.count_openings() == 1
    before = study_run(client).data.tags["mlflow.note.content"]
    assert before.endswith(f"\n\n{NOTE}")
    assert "pipeline show digits" in before
    again = NOTE.replace("trial 2", "trial 0")
    with confirming(trials, n_seeds=1) as run:
        run.write_answer(ANSWER, metrics={}, note=again, n_seeds=1)
    assert study_run(client).data.tags["mlflow.note.content"] == before.replace(NOTE, again)


def test_failed_repeat_is_a_failed_run_with_its_cause(
    trials: list[RecordedTrial], client: MlflowClient
) -> None:
    with confirming(trials, n_seeds=1) as run:
        failed = outcome(2, TrialState.FAIL, cause="diverged", weights=None, facts=None, curve=())
        run.write_repeat(repeated(2, 1), failed)
    (only,) = tagged(client, "confirms")
    assert (only.info.status, only.data.tags["cause"]) == ("FAILED", "diverged")
    assert files(only.info.artifact_uri).keys() == {"record.json"}
    assert "RUNNING" not in statuses(client)


def break_off(trials: list[RecordedTrial], error: BaseException) -> None:
    """Interrupt a confirmation after its first repeat."""
    with confirming(trials, n_seeds=1) as run:
        run.write_repeat(repeated(2, 1), outcome(2))
        raise error


@pytest.mark.parametrize("broken_off", [KeyboardInterrupt, RuntimeError])
def test_interruption_leaves_nothing_running(
    broken_off: type[BaseException], trials: list[RecordedTrial], client: MlflowClient
) -> None:
    with pytest.raises(broken_off, match="now"):
        break_off(trials, broken_off("now"))
    (run,) = tagged(client, "confirm_of_study")
    assert run.info.status == "KILLED"
    assert "RUNNING" not in statuses(client)


def killed(trials: list[RecordedTrial]) -> ConfirmRun:
    """A confirmation of two seeds whose process is gone; a repeat was trained, one was not."""
    left = confirming(trials, n_seeds=2).__enter__()
    left.write_repeat(repeated(2, 1), again(2, 1))
    left.write_repeat(repeated(0, 1), again(0, 1))
    return left


def again(number: int, repeat: int, **how: Any) -> TrialOutcome:
    """How a repeat ended."""
    return replace(outcome(number, **how), repeat=repeat)


def test_next_confirmation_goes_on_with_what_a_killed_one_left(
    trials: list[RecordedTrial], client: MlflowClient
) -> None:
    dead = killed(trials)
    with confirming(trials, n_seeds=2) as run:
        assert run.run_id == dead.run_id
        assert client.get_run(run.run_id).info.status == "RUNNING"
        assert run.find_repeat(repeated(2, 1)) == again(2, 1)
        assert run.find_repeat(repeated(0, 1)) == again(0, 1)
        assert run.find_repeat(repeated(2, 2)) is None
        run.write_test_scores({(2, 1): SealedScores(0.5)})
    assert len(tagged(client, "confirms")) == 2
    assert statuses(client) == {"FINISHED"}


def tear(client: MlflowClient, repeat: Run) -> None:
    """Leave a repeat as a process does that is killed while it writes."""
    client.update_run(repeat.info.run_id, status="RUNNING")


def fail(client: MlflowClient, repeat: Run) -> None:
    """Let it have failed."""
    client.set_terminated(repeat.info.run_id, "FAILED")


def spoil(_client: MlflowClient, repeat: Run) -> None:
    """Change the weights."""
    (folder_of(repeat.info.artifact_uri) / "weights.safetensors").write_bytes(b"other")


def lose(_client: MlflowClient, repeat: Run) -> None:
    """Remove the record."""
    (folder_of(repeat.info.artifact_uri) / "record.json").unlink()


@pytest.mark.parametrize("harm", [tear, fail, spoil, lose])
def test_repeat_that_cannot_be_used_is_removed(
    trials: list[RecordedTrial], client: MlflowClient, harm: Callable[[MlflowClient, Run], None]
) -> None:
    killed(trials)
    _, repeat = tagged(client, "confirms")
    harm(client, repeat)
    with confirming(trials, n_seeds=2) as run:
        assert run.find_repeat(repeated(2, 1)) is None
        assert run.find_repeat(repeated(0, 1)) is not None
        run.write_repeat(repeated(2, 1), again(2, 1))
    assert len(tagged(client, "confirms")) == 2
    assert "RUNNING" not in statuses(client)


def test_repeat_of_another_setting_is_not_used(trials: list[RecordedTrial]) -> None:
    killed(trials)
    params = config(2).params | {"learning_rate": 0.5}
    with confirming(trials, n_seeds=2) as run:
        assert run.find_repeat(repeated(2, 1).model_copy(update={"params": params})) is None


@pytest.mark.parametrize(
    ("n_seeds", "n_candidates", "goes_on"),
    [(2, 2, True), (3, 2, True), (1, 2, False), (2, 1, False)],
    ids=["the same", "more seeds", "fewer seeds", "other candidates"],
)
def test_confirmation_goes_on_with_the_same_candidates_alone(
    trials: list[RecordedTrial], n_seeds: int, n_candidates: int, *, goes_on: bool
) -> None:
    dead = killed(trials)
    with confirming(trials[:n_candidates], n_seeds=n_seeds) as run:
        assert (run.run_id == dead.run_id) is goes_on


@pytest.mark.parametrize(("n_seeds", "goes_on"), [(1, False), (2, True)])
def test_finished_confirmation_goes_on_with_more_seeds_alone(
    confirmed: ConfirmRun,
    trials: list[RecordedTrial],
    client: MlflowClient,
    n_seeds: int,
    *,
    goes_on: bool,
) -> None:
    with confirming(trials, n_seeds=n_seeds) as run:
        assert (run.run_id == confirmed.run_id) is goes_on
        run.write_answer(ANSWER, metrics={"val_loss_mean": 0.3}, note=NOTE, n_seeds=n_seeds)
    data = client.get_run(run.run_id).data
    assert (data.metrics["val_loss_mean"], data.tags["seeds"]) == (0.3, str(n_seeds))
    history = client.get_metric_history(run.run_id, "val_loss_mean")
    assert [point.step for point in history] == [1, 2][: 1 + goes_on]


def test_test_scores_are_written_once(
    confirmed: ConfirmRun, trials: list[RecordedTrial], client: MlflowClient
) -> None:
    assert confirmed.count_openings() == 1
    with confirming(trials, n_seeds=2) as run:
        assert run.find_repeat(repeated(2, 1)) is not None
        run.write_test_scores({(2, 1): SealedScores(0.5, 0.75)})
    _, repeat = tagged(client, "confirms")
    assert len(client.get_metric_history(repeat.info.run_id, "test_loss")) == 1


def test_setting_that_no_trial_had_has_a_run_of_its_own_name(
    trials: list[RecordedTrial], client: MlflowClient
) -> None:
    plain = trials[0].record.trial.model_copy(update={"number": NO_TRIAL})
    record = trials[0].record.model_copy(update={"trial": plain})
    with confirming([*trials, replace(trials[0], record=record)], n_seeds=1) as run:
        ended = replace(outcome(2), number=NO_TRIAL, repeat=1)
        run.write_repeat(plain.model_copy(update={"repeat": 1}), ended)
        assert client.get_run(run.run_id).data.tags["candidates"] == "0, 2, baseline"
    (repeat,) = tagged(client, "confirms")
    assert repeat.info.run_name == "confirm-baseline-repeat-1"


def test_confirmation_is_not_taken_for_a_trial(
    confirmed: ConfirmRun, home: Path, ledger: MlflowLedger
) -> None:
    assert confirmed.count_openings() == 1
    again = MlflowLedger(tracking_uri(home), artifact_root(home))
    again.open(study())
    assert again.run_ids == ledger.run_ids
    assert [row.number for row in read_rows(tracking_uri(home), "digits")] == [0, 2]


def test_settings_of_the_study_file_are_counted(home: Path, trials: list[RecordedTrial]) -> None:
    assert read_n_fixed(tracking_uri(home), trials[0].run_id) == 0


def test_damaged_study_file_is_named(
    home: Path, trials: list[RecordedTrial], client: MlflowClient
) -> None:
    (folder_of(study_run(client).info.artifact_uri) / "study.yaml").write_text("[")
    with pytest.raises(WorkFailedError, match=r"study\.yaml is damaged"):
        read_n_fixed(tracking_uri(home), trials[0].run_id)
