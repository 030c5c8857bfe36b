"""A confirmation as ``confirm`` writes it, on the page."""

from pipeline.analysis import Candidate, Repeat, judge
from pipeline.analysis.candidates import Dropped
from pipeline.analysis.report.page import render_page
from pipeline.analysis.report.repeats import repeats
from pipeline.config import NO_DROPOUT
from tests.analysis.report.builders import content


def values(*given: float) -> tuple[Repeat, ...]:
    return tuple(Repeat(repeat=n, value=value) for n, value in enumerate(given, start=1))


ANSWER = judge(
    [
        Candidate(
            number=3,
            params={"dropout_1": 0.35},
            repeats=values(0.10, 0.11, 0.12, 0.10, 0.11),
            is_search_best=True,
            search_value=0.09,
        ),
        Candidate(
            number=NO_DROPOUT,
            params={},
            repeats=values(0.20, 0.21, 0.22, 0.20, 0.21),
            is_baseline=True,
        ),
        Candidate(
            number=7,
            params={},
            repeats=values(0.30, 0.31, 0.33),
            search_value=0.1,
            dropped=Dropped(after=3, by=3, difference=0.2),
        ),
    ]
)
FOUND = ANSWER.as_json() | {"seeds": 5, "test_openings": 1}


def test_the_table_has_the_searchs_value_the_baseline_and_who_was_dropped() -> None:
    found = repeats(content(confirmation=FOUND))
    assert found is not None
    assert found.titles[0] == "search"
    said = [(one.name, one.cells[0], one.note, one.is_winner) for one in found.lines]
    assert said == [
        ("3", "0.0900", "cannot be told from the winner", True),
        ("baseline", "", "baseline", False),
        ("7", "0.1000", "dropped after 3 seeds", False),
    ]


def test_the_setting_in_front_is_the_winners_where_there_is_one() -> None:
    assert "best setting, not confirmed" in render_page(content(confirmation=None))
    page = render_page(content(confirmation=FOUND))
    assert "confirmed best setting, trial 3" in page
    assert '<span class="pair"><span>dropout_1</span> <b>0.35</b></span>' in page
    unreadable = FOUND | {"winner": 3, "candidates": [{"number": 3, "mean": 0.1, "params": "?"}]}
    assert "best setting, not confirmed" in render_page(content(confirmation=unreadable))


def test_the_sentences_are_those_of_the_confirmation() -> None:
    page = render_page(content(confirmation=FOUND))
    for sentence in ANSWER.sentences:
        assert sentence[1:].replace("'", "&#39;") in page, sentence
    assert "beats the baseline" in page


def test_texts_in_a_confirmation_do_nothing() -> None:
    text = "<script>alert(1)</script>"
    hostile = FOUND | {"why": [text, text], "candidates": [{"number": text, "mean": 0.1}]}
    assert text not in render_page(content(confirmation=hostile))
