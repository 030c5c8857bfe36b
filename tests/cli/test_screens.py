"""What a terminal shows: read as a user would."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.analysis import Candidate, Comparison, Repeat, Verdict, judge
from pipeline.analysis.candidates import Dropped
from pipeline.app import browse
from pipeline.app.browse import list_studies, show_study
from pipeline.app.result import StudyResult
from pipeline.app.retraining.confirmed import ConfirmedStudy
from pipeline.app.retraining.reproduce import Reproduction
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.cli import main
from pipeline.cli.options import same_place
from pipeline.cli.progress import Epochs, RepeatsProgress, StudyProgress
from pipeline.cli.render.retrainings import confirmed_lines, reproduced_lines
from pipeline.cli.render.studies import result_lines, studies_lines
from pipeline.cli.render.trials import trials_lines
from pipeline.config import NO_DROPOUT
from pipeline.trial import (
    EpochScores,
    Interaction,
    ModelGain,
    SearchSummary,
    TrialOutcome,
    TrialRow,
    TrialState,
)
from tests.app.studies import study_in
from tests.tracking.builders import config, outcome, scores
from tests.trial.test_effects import effect

PARTS = ("start_up", "data", "training", "validation", "sampling", "stores", "waiting")


def _workspace(home: Path) -> Workspace:
    return Workspace(home=home, tracking_uri=None)


def _row(number: int, state: TrialState, **facts: object) -> TrialRow:
    blank = {"value": None, "best_epoch": None, "run_id": None, "weights_sha256": None}
    params = {"depth": 1, "dropout_1": 0.25, "weight_decay": 0.0, "batch_size": number}
    given = blank | {"cause": None, "params": params} | facts
    return TrialRow(number=number, state=state, **given)  # type: ignore[arg-type]


def test_trials_have_a_line_each_and_what_all_share_is_left_out() -> None:
    failed = _row(1, TrialState.FAIL, cause="diverged [nan]")
    rows = [_row(0, TrialState.COMPLETE, value=0.5, best_epoch=2), failed]
    head, first, second = trials_lines(rows, {}, 80)
    assert head.split() == ["trial", "state", "value", "epoch", "run", "batch_size"]
    assert first.split() == ["0", "complete", "0.5000", "2", "0"]
    assert second.split() == ["1", "failed", "1"]


def test_rates_of_the_layers_are_one_column() -> None:
    params = {"depth": 2, "dropout_1": 0.25, "dropout_2": 0.1}
    head, line = trials_lines([_row(0, TrialState.COMPLETE, params=params)], {}, 80)
    assert head.split()[-2:] == ["depth", "dropout"]
    assert line.split()[-1] == "0.25/0.1"


@pytest.mark.parametrize(
    ("home", "storage", "typed"),
    [
        ("mlruns", None, ""),
        ("a home", None, " --home 'a home'"),
        ("mlruns", "postgresql://me@host/db", " --storage postgresql://me@host/db"),
        ("x", "postgresql://me:se/c@ret@h/db", " --home x --storage 'postgresql://…@h/db'"),
        ("mlruns", "postgresql://me@h/db?pwd=secret", " --storage 'postgresql://…@h/db?pwd=…'"),
        ("x", "postgresql://me:secret@h/db", " --home x --storage 'postgresql://…@h/db'"),
        (
            "mlruns",
            "postgresql://h/db?password=secret",
            " --storage 'postgresql://h/db?password=…'",
        ),
    ],
)
def test_next_commands_find_the_same_study_and_show_no_password(
    home: str, storage: str | None, typed: str
) -> None:
    assert same_place(Workspace(home=Path(home), storage=storage)) == typed


def test_result_names_best_trial_seconds_and_next_commands(home: Path) -> None:
    seconds = dict.fromkeys(PARTS, 1.0)
    rows = show_study(_workspace(home), "small").trials
    result = StudyResult(study="small", trials=rows, seconds=seconds | {"total": 7.0})
    text = "\n".join(result_lines(result, " --home 'a home'"))
    assert result.best is not None
    assert f"best trial {result.best.number}: val_loss {result.best.value:.4f}" in text
    parts = (
        "start-up 1.0, data 1.0, training 1.0, validation 1.0, sampling 1.0, stores 1.0, waiting"
    )
    assert f"seconds: 7.0 = {parts} 1.0" in text
    assert "pipeline reproduce small --trial best --home 'a home'" in text


def test_result_warns_of_a_best_trial_whose_loss_without_dropout_does_not_fall() -> None:
    warned = replace(_row(0, TrialState.COMPLETE, value=0.5, best_epoch=2), warning="it rose")
    result = StudyResult(study="small", trials=[warned], seconds={"total": 1.0})
    assert "  warning: it rose" in result_lines(result)
    calm = replace(result, trials=[replace(warned, warning=None)])
    assert not any("warning" in line for line in result_lines(calm))


def _summary(**given: Any) -> SearchSummary:
    usual: dict[str, Any] = {
        "n_trials": 9,
        "n_settings": 9,
        "best": 1,
        "origin": "usual",
        "at_ends": (),
        "noise": 0.01,
        "last_gain": 1,
        "tied": (),
        "smaller": None,
        "gain": ModelGain(n_first=4, n_later=5, first=1, gained=0.0, is_beyond_noise=False),
    }
    return SearchSummary(**usual | given)


def test_result_says_below_the_best_trial_what_the_search_came_to() -> None:
    summary = _summary()
    rows = [_row(1, TrialState.COMPLETE, value=0.5, best_epoch=2)]
    result = StudyResult(study="small", trials=rows, search=summary, seconds={"total": 1.0})
    lines = result_lines(result)
    begin = lines.index(f"warning: {summary.warning}")
    assert lines[begin - 2].startswith("best trial 1: ")
    assert lines[begin + 1 : begin + 3] == [f"search: {one}" for one in summary.sentences]
    assert not any("search: " in line for line in result_lines(replace(result, search=None)))
    assert "answer:" not in lines


def test_result_says_what_each_parameter_wants(home: Path) -> None:
    result = show_study(_workspace(home), "small")
    answered = replace(result, search=_summary(effects=(effect(), effect("input_dropout"))))
    lines = result_lines(replace(answered, seconds={"total": 1.0}))
    begin = lines.index("answer:")
    assert lines[begin + 1].startswith("  layer 1 wants dropout 0.1 to 0.3; ")
    assert lines[begin + 2].startswith("  the input wants dropout 0.1 to 0.3; ")
    answer: Any = answered.as_json()["answer"]
    assert answer["effects"]["input_dropout"]["best"] == [0.1, 0.3]


def test_two_parameters_that_act_together_are_told_after_each_alone(home: Path) -> None:
    said = "with \x1b[31mnet.depth 1 layer 1 wants more dropout (0.4) than with 3 (0.1)"
    both = Interaction(
        parameters=("net.depth", "dropout_1"),
        values=((1, 3), (0.1, 0.4)),
        losses=((0.1, 0.0), (0.0, 0.1)),
        sds=((0.01, 0.0), (0.01, 0.01)),
        share=0.5,
        sentence=said,
    )
    result = replace(
        show_study(_workspace(home), "small"),
        search=_summary(effects=(effect(),), interactions=(both,)),
        seconds={"total": 1.0},
    )
    lines = result_lines(result)
    told = lines[lines.index("answer:") + 2]
    assert "wants more dropout (0.4) than with 3 (0.1)" in told
    assert "\x1b" not in told
    answer: Any = result.as_json()["answer"]
    assert answer["interactions"] == [both.as_json()]
    assert answer["words"][-1] == said


def test_show_says_the_answer_that_the_run_noted(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = show_study(_workspace(home), "small", with_answer=True)
    assert result.search is not None
    assert show_study(_workspace(home), "small").search is None, "a table needs no model"
    monkeypatch.setattr(browse, "summarise", _fails)
    monkeypatch.setenv("COLUMNS", "400")
    lines = _typed("show", "small", home=home, capsys=capsys, monkeypatch=monkeypatch).splitlines()
    begin = lines.index("answer:") + 1
    told = [f"  {sentence}" for sentence in result.search.answer]
    assert lines[begin : begin + len(told)] == told
    text = _typed("show", "small", "--json", home=home, capsys=capsys, monkeypatch=monkeypatch)
    assert json.loads(text)["answer"] == result.as_json()["answer"]


def _fails(*_given: object) -> None:
    pytest.fail("a model was fitted")


def _typed(
    *words: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """What a command prints."""
    monkeypatch.setattr(sys, "argv", ["pipeline", *words, "--home", str(home)])
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    return capsys.readouterr().out


def test_result_without_a_complete_trial_suggests_nothing_about_a_best_one() -> None:
    rows = [_row(0, TrialState.PRUNED, cause="asha: too high")]
    result = StudyResult(study="small", trials=rows, seconds={"total": 1.0})
    text = "\n".join(result_lines(result))
    assert "no trial is complete" in text
    assert text.endswith("next:\n  pipeline show small\n  pipeline ui")


def test_studies_table_names_each_study(home: Path) -> None:
    [table] = studies_lines(list_studies(_workspace(home)), home)
    assert "small" in table
    assert "pruned" in table


def test_commands_print_tables_on_stdout(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, told in ((["list"], "small"), (["show", "small"], "complete")):
        monkeypatch.setattr(sys, "argv", ["pipeline", *words, "--home", str(home)])
        with pytest.raises(SystemExit, match="0"):
            main()
        assert told in capsys.readouterr().out


def test_list_of_an_empty_home_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline", "list", "--home", str(tmp_path)])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "`pipeline run FILE` makes one" in capsys.readouterr().out


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "pipe"])
def test_progress_counts_trials_and_names_the_best(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,  # noqa: FBT001 - pytest passes arguments by name
) -> None:
    study: Study = study_in(home)
    rows = show_study(_workspace(home), "small").trials
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with StudyProgress(study.config) as progress:
        progress.take_up(rows[:13])
        outcome = TrialOutcome(number=13, state=TrialState.PRUNED, cause="asha: too high")
        progress.watch(outcome)
    told = capsys.readouterr().err
    assert "14/14" in told
    assert "lowest 0." in told


def test_epochs_are_told_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Epochs() as epochs:
        epochs.watch(TrialOutcome(number=0, state=TrialState.COMPLETE))
    assert capsys.readouterr().err == ""


def _confirmed(losses: dict[int, list[float | None]], accuracy: float | None) -> ConfirmedStudy:
    answer = judge(
        [
            Candidate(
                number=number,
                params={"depth": 1, "dropout_1": number / 10},
                repeats=tuple(
                    Repeat(
                        repeat=i,
                        value=loss,
                        cause=None if loss else "diverged [nan]",
                        test_loss=loss,
                        test_accuracy=accuracy,
                    )
                    for i, loss in enumerate(own, start=1)
                ),
            )
            for number, own in losses.items()
        ]
    )
    return ConfirmedStudy(study="small", answer=answer, n_seeds=2, run_id="r", test_openings=1)


def test_confirmed_candidates_are_shown_with_intervals_and_a_star_for_the_tied() -> None:
    confirmed = _confirmed({3: [5.25, 5.16], 7: [0.2, 0.22], 1: [0.25, 0.16]}, 0.9)
    head, *rows = confirmed_lines(confirmed, " --home there")[0].splitlines()
    titles = ["tied", "trial", "settings", "search", "val_loss", "seeds", "test", "accuracy"]
    assert head.split() == titles
    assert [row.split()[:2] for row in rows] == [["*", "1"], ["*", "7"], ["3", "dropout"]]
    assert "0.2100 [0.0829, 0.3371]" in rows[1]
    assert "0.9000 [0.9000, 0.9000]" in rows[1]
    assert "depth" not in head.join(rows), "what all share is left out"
    told = confirmed_lines(confirmed, " --home there")[1:]
    assert told[0] == "trials 1 and 7 cannot be told apart at 2 seeds; 1 has the lowest mean"
    assert told[-1] == "  pipeline refit small --trial 1 --home there"


def test_what_else_a_confirmation_says_is_shown_below_its_table() -> None:
    baseline = replace(_confirmed({0: [0.4, 0.41]}, None).answer.candidates[0], is_baseline=True)
    best = replace(_confirmed({7: [0.2, 0.21]}, None).answer.candidates[0], search_value=0.1)
    lost = Dropped(after=2, by=7, difference=0.5)
    dropped = replace(_confirmed({4: [0.7, 0.71]}, None).answer.candidates[0], dropped=lost)
    answer = judge([baseline, replace(best, is_search_best=True), dropped])
    confirmed = replace(_confirmed({}, None), answer=answer)
    table, *told = confirmed_lines(confirmed)
    assert [line.split()[:3] for line in table.splitlines()[1:]] == [
        ["*", "7", "dropout"],
        ["0", "(baseline)", "dropout"],
        ["4", "dropout", "0.4"],
    ]
    assert "0.1000" in table.splitlines()[1]
    assert told[:4] == list(answer.sentences)
    assert [sentence.split()[:3] for sentence in told[:4]] == [
        ["trial", "7", "wins"],
        ["trial", "7", "beats"],
        ["the", "search", "gave"],
        ["trial", "4", "was"],
    ]


def test_setting_without_dropout_that_wins_is_no_trial_to_refit() -> None:
    plain = replace(_confirmed({0: [0.1, 0.11]}, None).answer.candidates[0], number=NO_DROPOUT)
    other = _confirmed({7: [0.5, 0.51]}, None).answer.candidates
    answer = judge([replace(plain, is_baseline=True), *other])
    lines = confirmed_lines(replace(_confirmed({}, None), answer=answer))
    assert "the baseline wins" in lines
    assert lines[-1].startswith("no trial had this setting; a new study can begin with it (trials:")


def test_failed_candidate_is_shown_with_its_cause() -> None:
    lines = confirmed_lines(_confirmed({3: [0.5, None], 7: [0.2, 0.22]}, None))
    assert "test loss" in lines[0]
    assert "failed" in lines[0].splitlines()[-1]
    assert "trial 3 failed, repeat 2: diverged [nan]" in lines
    closed = confirmed_lines(_confirmed({3: [0.5, None]}, None))
    assert closed[-1] == "the test part stayed closed"


def _reproduced(verdict: Verdict, *differences: str, n_identical: int = 3) -> list[str]:
    comparison = Comparison(
        verdict=verdict,
        differences=differences,
        epochs_compared=3,
        epochs_identical=n_identical,
        weights_recorded="a" * 64,
        weights_again=None,
    )
    answer = Reproduction(
        original_run_id="o", study="small", number=5, repeat=2, run_id="r", comparison=comparison
    )
    return reproduced_lines(answer)


def test_reproduction_is_shown_with_its_verdict_both_weights_and_both_runs() -> None:
    assert _reproduced(Verdict.IDENTICAL) == [
        "trial 5, repeat 2 of small: identical",
        "  epochs compared   3, every score the same to the bit",
        f"  weights SHA-256   {'a' * 64} recorded",
        "                    none now",
        "  run               r, reproduces o",
    ]


def test_differences_are_shown_causes_first_and_a_long_list_is_cut() -> None:
    sources = [f"code: file_{i}.py {'b' * 64} recorded, absent now" for i in range(9)]
    head, first, *lines = _reproduced(Verdict.CLOSE, *sources, n_identical=1)
    assert head.endswith(": close")
    assert first == "  first difference  code: file_0.py bbbbbbbbbbbb… recorded, absent now"
    assert [line.split()[1] for line in lines[:7]] == [f"file_{i}.py" for i in range(1, 8)]
    assert lines[7].strip() == "and 1 more, with --json"
    assert lines[8] == "  epochs compared   3, the first 1 the same to the bit"
    parted = _reproduced(Verdict.DIFFERENT, "epoch 1 val_loss", n_identical=0)
    assert parted[2] == "  epochs compared   3, which part at the first"


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "pipe"])
def test_repeats_are_counted_as_they_end(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,  # noqa: FBT001 - pytest passes arguments by name
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    repeat = config(12).model_copy(update={"repeat": 2})
    with RepeatsProgress("small", n_candidates=1, n_seeds=2) as progress:
        progress.plan(0, 2)
        progress.watch(repeat, scores(12, 1))
        progress.watch(repeat, outcome(12))
        progress.watch(repeat, TrialOutcome(number=12, state=TrialState.FAIL, cause="diverged"))
    told = capsys.readouterr().err
    assert "confirm small: 1 trial on 2 new seeds" in told
    assert "trial 12, repeat 2: diverged" in told
    if not is_terminal:
        assert "[1/2] trial 12, repeat 2: val_loss 1.9100 after 3 epochs" in told
    assert "2/2" in told


def test_repeats_of_an_earlier_call_are_counted_and_those_of_dropped_ones_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with RepeatsProgress("small", n_candidates=2, n_seeds=5) as progress:
        progress.plan(4, 10)
        progress.watch(config(12).model_copy(update={"repeat": 3}), outcome(12))
        progress.plan(5, 7)
        progress.watch(config(12).model_copy(update={"repeat": 4}), outcome(12))
    told = capsys.readouterr().err.splitlines()
    assert told[1] == "4 trainings of an earlier call taken up"
    assert [line.split()[0] for line in told[2:]] == ["[5/10]", "[6/7]"]


def test_epochs_of_a_refit_are_told_by_their_training_loss(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refitted: EpochScores = scores(0, 1, val_loss=float("nan"))
    with Epochs() as epochs:
        epochs.watch(refitted)
    assert capsys.readouterr().err == "epoch 1: train_loss 0.333333\n"
