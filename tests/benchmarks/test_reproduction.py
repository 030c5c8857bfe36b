"""The measure of reproduction: its studies are sound, and its count is the verdicts'."""

from typing import Any

import pytest

from benchmarks.reproduction import STUDIES, Answer, summary
from pipeline.config import check_study


@pytest.mark.parametrize("document", STUDIES, ids=[str(study["name"]) for study in STUDIES])
def test_each_study_can_be_run(document: dict[str, Any]) -> None:
    search = document["search"] | {"trials": 40, "seed": 0}
    assert check_study(document | {"search": search}, "test").search.trials == 40


def test_answers_are_counted_by_study_state_and_verdict() -> None:
    def answer(state: str, verdict: str) -> Answer:
        return Answer(
            study="small",
            number=0,
            state=state,
            verdict=verdict,
            epochs=3,
            first_difference=None,
            seconds=1.0,
        )

    answers = [answer("COMPLETE", "identical"), answer("PRUNED", "identical")]
    lines = list(summary([*answers, answer("PRUNED", "close"), answers[0]]))
    assert [line.split() for line in lines[:3]] == [
        ["small", "COMPLETE", "identical", "2"],
        ["small", "PRUNED", "close", "1"],
        ["small", "PRUNED", "identical", "1"],
    ]
    total = "4 trials trained again, 12 epochs compared: 3 identical, 1 close, 0 different"
    assert lines[3:] == [total]
