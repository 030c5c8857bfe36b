"""The study's note says what it should, and no user's text can say more."""

import html
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Finalist, Objective, SearchConfig
from pipeline.tracking.note import (
    ConfirmedLine,
    confirmed_in,
    confirmed_note,
    escape,
    study_note,
    with_confirmed,
)
from pipeline.trial import Interaction, ModelGain, SearchSummary, Settled, TrialRow, TrialState
from tests.tracking.builders import row
from tests.trial.test_effects import effect

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


def test_note_names_the_search_by_what_auto_stands_for() -> None:
    search = SearchConfig(trials=9, sampler="tpe").resolved(epochs=20)
    note = html.unescape(study_note("digits", "", [], "7", search))
    words = "sampler tpe, stopping halving, first_rung 5, reduction 2, seed 0, block 8"
    assert f"Search: {words}" in note


def test_note_shows_an_own_metrics_name_as_text() -> None:
    objective = Objective(metric="val/_loss_")
    note = study_note("digits", "", [replace(row(0), objective=objective)], "7")
    assert "_loss_" not in note
    assert html.unescape(note).count("val/_loss_") == 2


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


def _confirmed(n_lines: int, score: str = "0.5 [0.4, 0.6]") -> str:
    lines = [ConfirmedLine(title=str(i), scores=[score, ""], is_tied=i < 2) for i in range(n_lines)]
    return confirmed_note(["trial 0 wins."], ["val_loss", "test"], lines, test_openings=1)


def test_confirmed_part_shows_the_answer_and_each_candidate() -> None:
    told = _confirmed(3)
    assert told.startswith("**Confirmed on new seeds.** Trial 0 wins.\n\n| trial | val_loss |")
    assert "| 1 | 0.5 &#91;0.4, 0.6&#93; |  | yes |" in told
    assert "| 2 | 0.5 &#91;0.4, 0.6&#93; |  |  |" in told
    assert "opened 1 time." in told
    assert len(_confirmed(1_000)) <= 2_500


def test_confirmed_part_shows_a_hostile_text_and_does_nothing_else() -> None:
    line = ConfirmedLine(title=HOSTILE, scores=[HOSTILE], is_tied=True)
    told = confirmed_note([HOSTILE, HOSTILE], ["val_loss"], [line], test_openings=1)
    assert not {"<", "`", "!"} & set(told)
    assert "&#60;script&#62;" in told
    assert len(told) <= 2_500


def test_confirmed_part_is_replaced_and_found_again() -> None:
    note = study_note("digits", "How much?", [row(0)], "7")
    once = with_confirmed(note, _confirmed(3))
    assert with_confirmed(once, _confirmed(1)) == with_confirmed(note, _confirmed(1))
    assert confirmed_in(once) == _confirmed(3)
    assert with_confirmed(once, "") == note
    assert confirmed_in(note) == ""


def test_question_cannot_pass_for_a_confirmation() -> None:
    hostile = study_note("digits", "x\n\n**Confirmed on new seeds.** trial 9 wins", [row(0)], "7")
    assert confirmed_in(hostile) == ""


def _finalists() -> list[TrialRow]:
    mark = Finalist(setting_of=0, first=2, last=3)
    rows = [row(0, value=0.5), row(1, value=0.1), row(2, value=0.4), row(3, value=0.2)]
    rows[1].params["depth"] = 2
    return [*rows[:2], *(replace(one, finalist=mark) for one in rows[2:])]


def test_note_ranks_finalists_first_and_by_their_mean_over_seeds() -> None:
    note = study_note("digits", "", _finalists(), "7")
    lines = [line.split("|")[1:4] for line in note.splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in line] for line in lines if "-" not in line[0]] == [
        ["trial", "val_loss", "seeds"],
        ["3", "0.3", "2"],
        ["1", "0.1", "1"],
    ]
    words = (
        "Best: setting of trial 0, mean val_loss 0.3000 over 2 new seeds (0.2000 to 0.4000), "
        "trained again as 2, 3; trial 3 has the lowest, 0.2 at epoch 2."
    )
    assert words in note


def test_note_says_why_a_search_ended_early() -> None:
    settled = Settled(at=24, n_trials=33, gained=0.001, expected=0.002, noise=0.01)
    assert "The search settled after 24 trials: the latest gained 0.001 and the next is " in (
        study_note("digits", "", [row(0)], "7", settled=settled)
    )


def test_note_says_what_the_search_came_to_and_warns_first() -> None:
    gain = ModelGain(n_first=4, n_later=47, first=1, gained=0.0, is_beyond_noise=False)
    both = Interaction(
        parameters=("depth", "dropout_1"),
        values=((1,), (0.1,)),
        losses=((0.0,),),
        sds=((0.0,),),
        share=0.5,
        sentence="with [depth](x) <b>",
    )
    summary = SearchSummary(
        n_trials=51,
        n_settings=40,
        best=1,
        origin="usual",
        at_ends=(),
        noise=0.0063,
        last_gain=1,
        tied=(17,),
        smaller=None,
        gain=gain,
        effects=(effect(),),
        interactions=(both,),
    )
    note = html.unescape(study_note("digits", "", [row(0)], "7", summary=summary))
    warning = f"Warning: {summary.warning}."
    since = "Nothing gained beyond noise since trial 1."
    tied = "1 of 39 other settings cannot be told from the best."
    assert f"\n\n{warning}\n\n{since}\n\n{tied}\n\n" in note
    answer = f"\n\n- {effect().sentence}\n- with [depth](x) <b>\n\n"
    assert "<b>" not in study_note("digits", "", [row(0)], "7", summary=summary)
    assert note.index("Best: trial 0") < note.index(answer) < note.index("1 trials: ")
