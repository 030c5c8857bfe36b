"""What ``show`` prints of a study: the answer first, then trials, in the room there is."""

import csv
import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from pipeline.app.browse import look_at, note_answer, show_study
from pipeline.app.run_ids import SHORTEST, shortened
from pipeline.app.workspace import Workspace
from pipeline.cli.render.table import wrapped
from pipeline.cli.render.trials import shown_lines, sorted_rows, trials_csv, trials_lines
from pipeline.errors import BadInputError
from pipeline.search.answers.summary import summary_of
from pipeline.search.storage.opening import open_storage
from pipeline.search.storage.store import TrialStore
from pipeline.trial import TrialRow, TrialState
from tests.cli.emulator import on_a_terminal
from tests.cli.typed import TypeIn
from tests.search.studies import Stores, study

N_TRIALS = 30


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home with a study that was run without training and without MLflow."""
    path = tmp_path_factory.mktemp("shown")
    storage = open_storage(None, path / "optuna.journal", to_write=True)
    assert storage is not None
    Stores(storage).run(study(trials=N_TRIALS, sampler="random", stopping="halving"))
    return Workspace(home=path, tracking_uri=None)


def _row(number: int, **facts: Any) -> TrialRow:
    usual: dict[str, Any] = {"state": TrialState.COMPLETE, "value": number / 10}
    usual |= {"best_epoch": 1, "params": {}}
    usual |= {"run_id": f"{number:032x}", "weights_sha256": None, "cause": None}
    return TrialRow(number=number, **usual | facts)


@pytest.mark.parametrize("width", [80, 100, 200, 40])
def test_no_line_is_wider_than_the_terminal(place: Workspace, width: int) -> None:
    shown = look_at(place, "small")
    lines = shown_lines(shown, sorted_rows(shown.result.trials, "value", "small"), width)
    assert max(map(cell_len, lines)) <= width


def test_the_answer_comes_first_then_a_line_for_each_trial_the_best_first(
    place: Workspace,
) -> None:
    shown = look_at(place, "small")
    rows = sorted_rows(shown.result.trials, "value", "small")
    lines = shown_lines(shown, rows[:20], 200, " --home there")
    assert lines[0].startswith(f"study small: {shown.result.counts['complete']} complete, ")
    assert lines[1].startswith("best trial ")
    assert shown.answer is not None
    begin = lines.index("answer:") + 1
    assert lines[begin].strip() == shown.answer["words"][0]
    (head,) = (index for index, line in enumerate(lines) if line.startswith("trial "))
    assert head > begin
    listed = [int(line.split()[0]) for line in lines[head + 1 : head + 21]]
    values = [shown.result.trials[number].value for number in listed]
    assert values == sorted(values, key=lambda value: (value is None, value))
    assert "failed: MemoryError: so much (trial 12, 25)" in lines
    more = f"20 of {N_TRIALS} trials; `pipeline show small --all --home there` lists all, --csv"
    assert lines[-1].startswith(more)


def test_parameters_that_have_no_room_are_named() -> None:
    names = [f"a_long_parameter_{letter}" for letter in "abcdefghijk"]
    rows = [_row(n, params=dict.fromkeys(names, f"value {n}")) for n in range(3)]
    lines = trials_lines(rows, {}, 80)
    assert max(map(len, lines)) <= 80
    assert " ".join(lines[4:]).startswith("not shown: a_long_parameter_")
    assert names[-1] in " ".join(lines[4:])
    whole = trials_lines(rows, {}, 400)
    assert len(whole) == 4
    assert all(name in whole[0] for name in names)


def test_hostile_texts_are_shown_and_do_not_widen_the_table() -> None:
    texts = ["\x1b[2J", "[red]", "名前" * 30, "a\nb", ""]
    rows = [
        _row(number, state=TrialState.FAIL, value=None, cause=text, params={f"p{text}": text})
        for number, text in enumerate(texts)
    ]
    lines = trials_lines(rows, {}, 80)
    assert max(map(cell_len, lines)) <= 80
    assert all(line.isprintable() for line in lines)


def test_lines_are_broken_at_spaces_and_indented() -> None:
    assert wrapped("  one two three", 9) == ["  one two", "    three"]
    assert wrapped("one", 9) == ["one"]
    assert wrapped("名前 " * 4, 9)[0] == "名前 名前"
    assert wrapped("", 9) == [""]


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("number", [0, 1, 2, 3]),
        ("value", [3, 0, 2, 1]),
        ("width", [2, 0, 1, 3]),
        ("kind", [1, 0, 2, 3]),
        ("n_parameters", [3, 2, 0, 1]),
    ],
)
def test_trials_are_sorted_and_those_without_a_value_come_last(
    key: str, numbers: list[int]
) -> None:
    rows = [
        _row(0, value=0.2, params={"width": 32, "kind": "b"}),
        _row(1, value=None, state=TrialState.PRUNED, params={"width": 64, "kind": "a"}),
        _row(2, value=0.3, params={"width": 16}, n_parameters=5),
        _row(3, value=0.1, n_parameters=3),
    ]
    assert [row.number for row in sorted_rows(rows, key, "small")] == numbers


def test_sorting_by_what_is_not_there_names_what_is(place: Workspace) -> None:
    told = r"study 'small': --sort: got 'dept', expected one of: number, value, .*depth"
    with pytest.raises(BadInputError, match=told):
        sorted_rows(show_study(place, "small").trials, "dept", "small")


def test_csv_has_every_trial_and_column_and_computes_nothing(place: Workspace) -> None:
    rows = [*show_study(place, "small").trials]
    rows.append(_row(99, cause='=cmd|"x"!A1, and\nmore', params={"kind": "@sum", "gain": -1.5}))
    written = trials_csv(rows)
    assert written.count("\r\n") == len(rows) + 1 == written.count("\n")
    head, *lines = csv.reader(StringIO(written, newline=""))
    assert head[:4] == ["number", "state", "value", "best_epoch"]
    assert {f"params_{name}" for row in rows for name in row.params} <= set(head)
    found = [dict(zip(head, line, strict=True)) for line in lines]
    for row, one in zip(rows[:-1], found, strict=False):
        assert one["run_id"] == row.run_id
        assert one["value"] == ("" if row.value is None else repr(row.value))
        assert one["params_learning_rate"] == repr(row.params["learning_rate"])
    assert found[-1]["cause"] == '\'=cmd|"x"!A1, and\\nmore'
    assert (found[-1]["params_kind"], found[-1]["params_gain"]) == ("'@sum", "-1.5")
    assert trials_csv([]) == ""


def test_run_ids_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    nowhere = Workspace(home=tmp_path, tracking_uri=None)
    ids = ["a" * 32, "b" * 32, "b" * 10 + "c" * 22]
    short = shortened(ids, nowhere)
    assert short == {ids[0]: "a" * SHORTEST, ids[1]: "b" * 11, ids[2]: "b" * 10 + "c"}


def test_an_answer_that_a_run_noted_is_shown_while_its_trials_are_the_same() -> None:
    stores = Stores()
    asked = study(trials=9, sampler="random")
    stores.run(asked)
    store = TrialStore(stores.storage, "small")
    summary = summary_of(asked, store)
    assert summary is not None
    note_answer(store, summary)
    from pipeline.app.browse import _noted_answer

    rows = store.rows()
    noted = _noted_answer(TrialStore(stores.storage, "small"), rows)
    assert noted is not None
    assert noted["words"] == list(summary.answer)
    assert _noted_answer(store, rows[:-1]) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--top", "0"], "0"),
        (["--top", "3", "--all"], "--top: not allowed with --all"),
        (["--csv", "--json"], "--csv: not allowed with --json"),
        (["--sort", "nothing"], "--sort: got 'nothing', expected one of: number, value"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    place: Workspace, type_in: TypeIn, words: list[str], told: str
) -> None:
    type_in("show", "small", "--home", str(place.home), *words).refuses(told)


def test_json_has_all_trials_by_number_unless_told_otherwise(
    place: Workspace, type_in: TypeIn
) -> None:
    def numbers(*words: str) -> list[int]:
        answer = type_in("show", "small", "--home", str(place.home), "--json", *words)
        return [trial["number"] for trial in json.loads(answer.stdout)["trials"]]

    ranked = [row.number for row in sorted_rows(show_study(place, "small").trials, "value", "")]
    assert numbers("--no-answer") == list(range(N_TRIALS))
    assert numbers("--no-answer", "--top", "3") == ranked[:3]
    assert numbers("--no-answer", "--sort", "value") == ranked


def test_a_pipe_gets_the_best_twenty_in_eighty_columns(
    place: Workspace, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = type_in("show", "small", "--home", str(place.home)).stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert sum(bool(re.match(r" +\d+ ", line)) for line in lines) == 20
    every = type_in("show", "small", "--home", str(place.home), "--all").stdout.splitlines()
    assert sum(bool(re.match(r" +\d+ ", line)) for line in every) == N_TRIALS
    assert not any("lists all" in line for line in every)


@pytest.mark.slow
def test_what_a_terminal_has_no_room_for_goes_through_the_pager(
    place: Workspace, tmp_path: Path
) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nexec sed 's/^/paged: /'\n")
    pager.chmod(0o755)
    words = ["-m", "pipeline", "show", "small", "--home", str(place.home), "--no-answer"]
    assert "paged: study small: " in on_a_terminal(words, height=24, PAGER=str(pager))[1]
    whole = on_a_terminal(words, height=100, PAGER=str(pager))[1]
    assert "study small: " in whole
    assert "paged" not in whole
