"""What differs between two studies, by what it is of."""

from dataclasses import replace
from typing import Any

from pipeline.analysis.study_difference import StudySide, find_differences
from pipeline.cli.render.bundles import difference_lines
from pipeline.trial import TrialRow, TrialState

DOCUMENT = {"name": "a", "training": {"epochs": 3}, "search": {"trials": 2}}


def row(number: int, **changes: Any) -> TrialRow:
    """A complete trial."""
    trial = TrialRow(
        number=number,
        state=TrialState.COMPLETE,
        value=0.5 + number,
        best_epoch=2,
        params={"depth": 1},
        run_id="1",
        weights_sha256="f" * 64,
        cause=None,
    )
    return replace(trial, **changes)


def side(*rows: TrialRow, name: str = "a", **changes: Any) -> StudySide:
    """A study of these trials."""
    return replace(StudySide(name=name, document=DOCUMENT, rows=rows or (row(0),)), **changes)


def differences(a: StudySide, b: StudySide) -> list[tuple[Any, ...]]:
    """All that differs."""
    return [(one.part, one.where, one.a, one.b) for one in find_differences(a, b).differences]


def test_names_and_run_ids_are_not_compared() -> None:
    other = side(row(0, run_id="2"), name="b", document=DOCUMENT | {"name": "b"})
    assert differences(side(), other) == []
    assert difference_lines(find_differences(side(), other)) == ["a and b: nothing differs"]


def test_each_key_of_the_file_is_named_the_number_of_trials_too() -> None:
    document = {"name": "b", "training": {"epochs": 4}, "search": {"trials": 3}}
    assert differences(side(), side(document=document)) == [
        ("file", "training.epochs", "3", "4"),
        ("file", "search.trials", "2", "3"),
    ]


def test_first_thing_in_which_a_trial_differs_is_named() -> None:
    changed = row(1, best_epoch=1, weights_sha256="0" * 64)
    assert differences(side(row(0), row(1)), side(row(0), changed)) == [
        ("table", "trial 1: best_epoch", 2, 1)
    ]


def test_trial_of_one_study_alone_is_named() -> None:
    assert differences(side(row(0), row(1)), side(row(0))) == [
        ("table", "trial 1", "COMPLETE", "not there")
    ]


def test_answer_is_compared_after_the_table() -> None:
    found = differences(side(confirmation={"winner": 0}), side(row(0, value=0.1)))
    assert found == [
        ("table", "trial 0: value", 0.5, 0.1),
        ("answer", "best value", 0.5, 0.1),
        ("answer", "confirmed winner", 0, "not there"),
    ]


def test_lines_are_grouped_and_cut() -> None:
    many = find_differences(side(*map(row, range(20))), side(row(0)))
    lines = difference_lines(many)
    assert lines[0] == "a → a: 19 differences"
    assert lines[1:3] == ["table:", "  trial 1: COMPLETE → not there"]
    assert lines[-1] == "  and 7 more, with --json"
