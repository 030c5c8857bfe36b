"""What a terminal shows: read as a user would."""

import sys
from pathlib import Path

import pytest

from pipeline.app import Place, Study, list_studies, show_study
from pipeline.cli import main
from pipeline.cli.screen import Epochs, StudyProgress, result_lines, studies_table, trials_table
from pipeline.trial import TrialOutcome, TrialRow, TrialState
from tests.app.studies import study_in


def _place(home: Path) -> Place:
    return Place(home=home, tracking_uri=None)


def _row(number: int, state: TrialState, **facts: object) -> TrialRow:
    blank = {"value": None, "best_epoch": None, "run_id": None, "weights_sha256": None}
    params = {"depth": 1, "dropout_1": 0.25, "weight_decay": 0.0, "batch_size": number}
    given = blank | {"cause": None, "params": params} | facts
    return TrialRow(number=number, state=state, **given)  # type: ignore[arg-type]


def test_trials_table_has_a_line_a_trial_and_leaves_out_what_all_share() -> None:
    failed = _row(1, TrialState.FAIL, cause="diverged [nan]")
    lines = trials_table([_row(0, TrialState.COMPLETE, value=0.5, best_epoch=2), failed])
    first, second = lines.splitlines()[1:]
    assert first.split() == ["0", "complete", "0.5000", "2", "batch_size", "0"]
    assert "failed" in second
    assert "[diverged [nan]]" in second
    assert "weight_decay" not in lines


def test_trials_table_puts_the_layers_together() -> None:
    params = {"depth": 2, "dropout_1": 0.25, "dropout_2": 0.1}
    assert "dropout 0.25/0.1" in trials_table([_row(0, TrialState.COMPLETE, params=params)])


def test_result_names_best_trial_seconds_and_next_commands(home: Path) -> None:
    result = study_in(home).run(workers=1)
    text = "\n".join(result_lines(result, " --home there"))
    assert result.best is not None
    assert f"best trial {result.best.number}: val_loss {result.best.value:.4f}" in text
    for word in ("start-up", "training", "validation", "data", "sampling", "stores", "waiting"):
        assert f"{word} " in text
    assert "pipeline reproduce small --trial best --home there" in text


def test_studies_table_names_each_study(home: Path) -> None:
    table = studies_table(list_studies(_place(home)))
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
    rows = show_study(_place(home), "small").trials
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with StudyProgress(study.config, rows[:13]) as progress:
        outcome = TrialOutcome(number=13, state=TrialState.PRUNED, cause="asha: too high")
        progress.watch(outcome)
    told = capsys.readouterr().err
    assert "14/14" in told.replace(" ", "")
    assert "best 0." in told


def test_epochs_are_told_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Epochs() as epochs:
        epochs.watch(TrialOutcome(number=0, state=TrialState.COMPLETE))
    assert capsys.readouterr().err == ""
