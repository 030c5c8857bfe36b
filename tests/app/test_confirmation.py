"""A study confirmed from end to end, with real MLflow, Lightning and worker processes."""

import json
import math
import os
import signal
import subprocess
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NoReturn

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline.app.placement.placement import Placement
from pipeline.app.result import StudyFailedError
from pipeline.app.retraining.confirm import Candidates, _rank_by_prediction
from pipeline.app.retraining.confirmed import ConfirmedStudy
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.config import ShownNumber
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.locks import hold_study
from pipeline.tracking.names import trial_run
from pipeline.tracking.reader import read_trial
from pipeline.tracking.store import tracking_uri
from pipeline.trial import TrialOutcome
from tests.app.planted import train_here
from tests.app.studies import (
    check_ledgers_agree,
    command,
    run_command,
    study_in,
    table,
    trial_runs,
)

pytestmark = pytest.mark.slow

N_TRIALS = 14
FAILING_FIT = "tests.app.fits:fit_and_fail"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of this module's own: confirming writes to the study's note."""
    path = tmp_path_factory.mktemp("confirmed")
    study_in(path).run(workers=2)
    return path


@pytest.fixture(scope="module")
def confirmed(home: Path) -> ConfirmedStudy:
    """The study's best two and its fixed trial on three new seeds."""
    return candidates(home).confirm(seeds=3, placement=Placement(workers=2))


def candidates(home: Path, name: str = "small", *, top: int = 2) -> Candidates:
    """What would be trained again."""
    return Candidates.read(Workspace(home=home, tracking_uri=None), name, top=top)


def tagged(home: Path, tag: str) -> list[Run]:
    """The runs that bear a tag, the oldest first."""
    client = MlflowClient(tracking_uri(home))
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(ids, order_by=["attributes.start_time ASC"], max_results=1_000)
    return [run for run in found if tag in run.data.tags]


def openings(home: Path) -> int:
    """How often the test part was opened, by the study's run."""
    (run,) = tagged(home, "study_run")
    return int(run.data.tags.get("test_openings", 0))


def repeats_of(home: Path, confirmation: str, number: ShownNumber) -> list[Run]:
    """The runs of a candidate's repeats in one confirmation."""
    found = [
        run
        for run in tagged(home, "confirms")
        if run.data.tags["mlflow.parentRunId"] == confirmation
        and run.info.run_name.startswith(f"confirm-{trial_run(number)}-")
    ]
    return sorted(found, key=lambda run: run.data.tags["repeat"])


def check_nothing_runs(home: Path) -> None:
    """Hold every run to have come to an end."""
    client = MlflowClient(tracking_uri(home))
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    assert not client.search_runs(ids, "attributes.status = 'RUNNING'")


def test_best_value_best_prediction_and_the_fixed_trial_are_candidates(home: Path) -> None:
    complete = sorted((row[2], row[0]) for row in table(home) if row[2] is not None)
    best = [number for _, number in complete]
    (study_run,) = tagged(home, "study_run")
    predicted = _rank_by_prediction(Workspace(home=home, tracking_uri=None), "small")
    assert set(predicted) == set(best)
    assert study_run.data.tags["mlflow.note.content"]
    first, second, *_ = dict.fromkeys([best[0], predicted[0], best[1], predicted[1]])
    chosen = candidates(home)
    numbers = [trial.record.trial.number for trial in chosen.trials]
    assert numbers == list(dict.fromkeys([first, second, 0]))
    assert chosen.baseline == 0
    assert chosen.search_values[best[0]] == complete[0][0]


def test_means_are_over_the_repeats_that_mlflow_shows(
    home: Path, confirmed: ConfirmedStudy
) -> None:
    assert len(confirmed.answer.candidates) == len(candidates(home).trials)
    for one in confirmed.answer.candidates:
        runs = repeats_of(home, confirmed.run_id, one.number)
        assert [run.data.tags["repeat"] for run in runs] == ["1", "2", "3"]
        metrics = [run.data.metrics for run in runs]
        assert one.value.mean == pytest.approx(fmean(m["retrained_best_val_loss"] for m in metrics))
        assert one.test_loss.mean == pytest.approx(fmean(m["test_loss"] for m in metrics))
        assert one.test_accuracy is not None
        accuracy = fmean(m["test_accuracy"] for m in metrics)
        assert one.test_accuracy.mean == pytest.approx(accuracy)
        assert len({m["retrained_best_val_loss"] for m in metrics}) == 3, (
            "each repeat has seeds of its own"
        )
        original = trial_runs(home)[int(one.number)]
        assert original.data.metrics["best_val_loss"] not in {
            m["retrained_best_val_loss"] for m in metrics
        }
        assert {run.data.tags["confirms"] for run in runs} == {original.info.run_id}


def test_pruned_candidate_is_trained_past_the_epoch_that_stopped_it(home: Path) -> None:
    number, n_epochs = min(
        ((row[0], len(row[-1][0])) for row in table(home) if row[1] == "PRUNED"),
        key=lambda pruned: pruned[1],
    )
    pruned = read_trial(tracking_uri(home), "small", number)
    answer = replace(candidates(home), trials=[pruned]).confirm(
        seeds=1, placement=Placement(workers=1)
    )
    (run,) = repeats_of(home, answer.run_id, number)
    history = MlflowClient(tracking_uri(home)).get_metric_history(run.info.run_id, "val_loss")
    assert len(history) > n_epochs


def test_answer_is_the_same_for_any_number_of_workers(
    home: Path, confirmed: ConfirmedStudy
) -> None:
    before = openings(home)
    again = candidates(home).confirm(seeds=3, placement=Placement(workers=1))
    assert again.answer == confirmed.answer
    assert again.test_openings == before + 1 == openings(home)


def test_answer_lies_beside_the_run_and_in_the_studys_note(
    home: Path, confirmed: ConfirmedStudy, tmp_path: Path
) -> None:
    client = MlflowClient(tracking_uri(home))
    path = client.download_artifacts(confirmed.run_id, "confirmation.json", str(tmp_path))
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    assert told == json.loads(json.dumps(confirmed.as_json()))
    assert told["run_id"] == confirmed.run_id
    (study_run,) = tagged(home, "study_run")
    note = study_run.data.tags["mlflow.note.content"]
    assert "**Confirmed on new seeds.**" in note
    assert f"| {told['winner']} | {told['candidates'][0]['mean']:.4f} " in note
    run = client.get_run(confirmed.run_id)
    assert run.data.metrics["val_loss_mean"] == told["candidates"][0]["mean"]
    assert run.data.metrics["test_accuracy_high"] == told["candidates"][0]["test_accuracy"]["high"]


def test_study_and_its_trials_stay_as_they_were(home: Path, confirmed: ConfirmedStudy) -> None:
    before = table(home)
    check_ledgers_agree(home, N_TRIALS)
    study_in(home).run(workers=2)
    assert table(home) == before
    workspace = Workspace(home=home, tracking_uri=None)
    assert isinstance(confirmed.answer.winner, int)
    answer = reproduce(workspace, "small", trial=confirmed.answer.winner)
    assert answer.comparison.verdict == "identical"


def test_repeat_is_reproduced_from_its_own_run_with_the_test_part_closed(
    home: Path, confirmed: ConfirmedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = openings(home)
    train_here(monkeypatch)
    original = repeats_of(home, confirmed.run_id, 0)[1]
    answer = reproduce(Workspace(home=home, tracking_uri=None), original.info.run_id)
    assert (answer.comparison.verdict, answer.comparison.differences) == ("identical", ())
    assert (answer.number, answer.repeat) == (0, 2)
    run = MlflowClient(tracking_uri(home)).get_run(answer.run_id)
    assert run.info.run_name == "reproduce-confirm-trial-000-repeat-2"
    assert "confirms" not in run.data.tags, "the confirmation has its repeats already"
    assert openings(home) == before
    with pytest.raises(BadInputError, match="got the run 'confirm', expected the run id of a"):
        reproduce(Workspace(home=home, tracking_uri=None), confirmed.run_id)


def test_opening_is_on_record_before_the_test_part_is_opened(
    home: Path, confirmed: ConfirmedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = openings(home)
    seen: list[int] = []

    def refuse(*_: object, **__: object) -> NoReturn:
        seen.append(openings(home))
        message = "it cannot be read"
        raise WorkFailedError(message)

    monkeypatch.setattr("pipeline.learning.sealed_scores.open_test", refuse)
    with pytest.raises(WorkFailedError, match="it cannot be read"):
        candidates(home, top=1).confirm(seeds=1, placement=Placement(workers=1))
    assert seen == [before + 1], "all were trained, then the opening was noted, then it was opened"
    run = tagged(home, "confirm_of_study")[-1]
    assert run.info.run_id != confirmed.run_id
    assert run.info.status == "KILLED"
    assert "test_opened" in run.data.tags
    check_nothing_runs(home)


def test_failed_repeat_is_recorded_and_its_candidate_cannot_win(
    home: Path, confirmed: ConfirmedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", FAILING_FIT)
    loser = confirmed.answer.winner
    monkeypatch.setenv("FAILING", f"{loser}/2")
    answer = candidates(home).confirm(seeds=2, placement=Placement(workers=2))
    last = answer.answer.candidates[-1]
    assert last.number == loser
    assert answer.answer.winner not in (None, loser)
    told = last.as_json()
    assert told["failures"] == [{"repeat": 2, "cause": "diverged: on purpose"}]
    assert (told["mean"], told["test"]["mean"], told["test_accuracy"]) == (None, None, None)
    statuses = [run.info.status for run in repeats_of(home, answer.run_id, last.number)]
    assert statuses == ["FINISHED", "FAILED"]
    check_nothing_runs(home)


def test_test_part_stays_closed_where_every_candidate_fails(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", FAILING_FIT)
    monkeypatch.setenv("FAILING", "all")
    before = openings(home)
    answer = candidates(home, top=1).confirm(seeds=2, placement=Placement(workers=1))
    assert (answer.answer.winner, answer.answer.tied) == (None, ())
    assert answer.test_openings == openings(home) == before
    check_nothing_runs(home)


def test_study_that_runs_elsewhere_is_refused_with_its_process(home: Path) -> None:
    n_before = len(tagged(home, "confirm_of_study"))
    with hold_study(home, "small"), pytest.raises(WorkFailedError, match=f"process {os.getpid()}"):
        candidates(home).confirm(seeds=1, placement=Placement(workers=1))
    assert len(tagged(home, "confirm_of_study")) == n_before


def test_other_data_than_the_study_was_searched_on_is_refused(home: Path) -> None:
    chosen = candidates(home, top=1)
    first = chosen.trials[0]
    assert first.record.facts is not None
    facts = first.record.facts.model_copy(update={"data_sha256": "0" * 64})
    other = replace(first, record=first.record.model_copy(update={"facts": facts}))
    with pytest.raises(BadInputError, match=r"data set digits: got content of SHA-256 .* 0000"):
        replace(chosen, trials=[other]).confirm(seeds=1, placement=Placement(workers=1))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("untested", {"name": "digits", "test": 0}, r"data\.test: 0: the study has no test part"),
        ("small", {"name": "digits"}, r"study 'small': none of its 2 trials is complete"),
    ],
    ids=["no test rows", "no complete trial"],
)
def test_study_that_cannot_be_confirmed_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: dict[str, Any], words: str
) -> None:
    if name == "small":
        monkeypatch.setattr("pipeline.app.training.FIT", FAILING_FIT)
        monkeypatch.setenv("FAILING", "all")
    search = {"trials": 2, "sampler": "random"}
    fails = pytest.raises(StudyFailedError, match="no complete trial")
    with fails if name == "small" else nullcontext():
        study_in(tmp_path, name=name, data=data, search=search).run(workers=1)
    with pytest.raises(BadInputError, match=words):
        candidates(tmp_path, name)


def test_unknown_study_is_refused(home: Path) -> None:
    with pytest.raises(BadInputError, match=r"study: got 'other', expected one of: small"):
        candidates(home, "other")


def test_command_prints_json_alone_on_stdout(home: Path) -> None:
    words = ("--home", home, "--top", "1", "--seeds", "2", "--workers", "1", "--json")
    done = run_command("confirm", "small", *words)
    told = json.loads(done.stdout)
    assert told.keys() == {
        *("study", "candidates", "tied", "winner", "seeds", "run_id", "test_openings"),
        *("baseline", "gain", "beats_baseline", "why"),
    }
    for one in told["candidates"]:
        assert one.keys() == {
            *("number", "params", "mean", "low", "high", "test", "test_accuracy", "metrics"),
            *(
                "failures",
                "is_baseline",
                "is_search_best",
                "seeds",
                "search_value",
                "too_good",
                "dropped",
            ),
        }
        assert one["low"] < one["mean"] < one["high"]
        assert math.isfinite(one["test"]["mean"])
    assert told["seeds"] == 2
    assert "confirm small: " in done.stderr
    assert "repeat 2: val_loss " in done.stderr


def broken_off(home: Path, *, seeds: int, sign: signal.Signals) -> tuple[int, str]:
    """Confirm by the real command and send it a signal after three trainings; how it ended."""
    words = ("confirm", "small", "--home", home, "--top", "2", "--seeds", str(seeds))
    with subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True) as confirming:
        assert confirming.stderr is not None
        trainings = (line for line in confirming.stderr if line.startswith("["))
        for _ in range(3):
            next(trainings)
        confirming.send_signal(sign)
        _, said = confirming.communicate(timeout=60)
    return confirming.returncode, said


def test_ctrl_c_leaves_nothing_running(home: Path) -> None:
    code, said = broken_off(home, seeds=200, sign=signal.SIGINT)
    assert code == 130
    assert "error: interrupted" in said
    assert "Traceback" not in said
    check_nothing_runs(home)
    confirmations = tagged(home, "confirm_of_study")
    (run,) = [run for run in confirmations if run.data.tags["seeds"] == "200"]
    assert run.info.status == "KILLED"
    with hold_study(home, "small"):
        pass


def test_confirmation_that_was_killed_goes_on_to_the_answer_of_an_undisturbed_one(
    home: Path, confirmed: ConfirmedStudy
) -> None:
    code, _ = broken_off(home, seeds=3, sign=signal.SIGKILL)
    assert code == -signal.SIGKILL
    killed = tagged(home, "confirm_of_study")[-1].info.run_id
    n_before = len(children(home, killed))
    trained: list[bool] = []
    planned: list[tuple[int, int]] = []
    again = candidates(home).confirm(
        seeds=3,
        placement=Placement(workers=1),
        watch=lambda _config, event: trained.append(isinstance(event, TrialOutcome)),
        plan=lambda n_done, n_most: planned.append((n_done, n_most)),
    )
    assert again.run_id == killed != confirmed.run_id
    assert again.answer == confirmed.answer
    assert 3 <= n_before <= sum(trained) + n_before == 9 == len(children(home, killed))
    assert planned == [(n_before, 9)]
    check_nothing_runs(home)


def test_more_seeds_go_on_with_what_is_trained(home: Path, confirmed: ConfirmedStudy) -> None:
    n_openings = openings(home)
    more = candidates(home).confirm(seeds=4, placement=Placement(workers=2))
    before = {one.number: one for one in confirmed.answer.candidates}
    for one in more.answer.candidates:
        assert one.repeats[:3] == before[one.number].repeats
    winner = more.answer.candidates[0]
    assert [repeat.repeat for repeat in winner.repeats] == [1, 2, 3, 4]
    assert len(repeats_of(home, more.run_id, winner.number)) == 4
    assert more.test_openings == n_openings + 1
    told = MlflowClient(tracking_uri(home)).get_metric_history(more.run_id, "val_loss_mean")
    assert [point.step for point in told] == [3, 4]


def children(home: Path, run_id: str) -> list[Run]:
    """The runs below another that have ended by themselves."""
    below = [
        run for run in tagged(home, "confirms") if run.data.tags["mlflow.parentRunId"] == run_id
    ]
    assert len({run.info.run_name for run in below}) == len(below)
    return [run for run in below if run.info.status == "FINISHED"]
