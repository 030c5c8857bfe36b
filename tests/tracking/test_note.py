"""The study's note says what it should, and no user's text can say more."""

import html
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.note import escape, study_note
from pipeline.trial import TrialState
from tests.tracking.builders import row

HOSTILE = "<script>alert(1)</script> | a | [x](javascript:alert(1)) \n\n# big `code` ![i](http://e)"


def test_note_ranks_the_ten_lowest_values() -> None:
    rows = [row(number, value=1 - number / 100) for number in range(30)]
    rows += [row(30, TrialState.PRUNED, None), row(31, TrialState.FAIL, None)]
    note = study_note("digits", "How much?", rows, "7")
    lines = [line.split("|")[1].strip() for line in note.splitlines() if line.startswith("|")]
    assert lines[2:] == [str(number) for number in range(29, 19, -1)]
    assert "32 trials: 30 complete, 1 pruned, 1 failed." in note
    assert "Best: trial 29, val_loss 0.71 at epoch 2." in note
    assert "    pipeline reproduce digits --trial best" in note


def test_note_of_a_study_without_trials_says_so() -> None:
    note = study_note("digits", "", [], "7")
    assert "No trial is complete yet." in note
    assert "|" not in note


@pytest.mark.parametrize("hostile", [HOSTILE, "\u202eevil", "~~a~~ **b** _c_ &amp; a\\|b"])
def test_note_shows_a_hostile_question_as_text(hostile: str) -> None:
    plain = study_note("digits", "", [row(0)], "7")
    note = study_note("digits", hostile, [row(0)], "7")
    shown = note.replace(" " + escape(hostile), "")
    assert shown == plain
    assert not set(escape(hostile)) & set("<>|[]`*_~!\\\n\u202e")


@given(st.text(st.characters(exclude_categories=["C"]), max_size=60))
def test_escaped_text_reads_as_it_was(text: str) -> None:
    assert html.unescape(escape(text)) == " ".join(text.split())


def test_note_fits_into_a_tag_whatever_the_names() -> None:
    long = {string.punctuation * 3 + str(i): string.punctuation * 3 for i in range(20)}
    rows = [row(number) for number in range(10)]
    for one in rows:
        one.params.update(long)
    assert len(study_note("digits", "<" * 100_000, rows, "7")) <= 8_000
