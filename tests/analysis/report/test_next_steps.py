"""What to do next follows from the study's numbers."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.analysis.report import ReportContent
from pipeline.analysis.report.next_steps import next_steps
from pipeline.trial import SmallerNetwork, TrialState
from tests.analysis.report.builders import content, effect, study, summary, table, without_answer

COMPLETE, FAIL, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING


def done(**changes: Any) -> ReportContent:
    """A study that is done and confirmed, and knows all that it asked."""
    known = summary(effects=(effect(),), best=20, **changes)
    return content([COMPLETE] * 24, summary=known)


def commands(given: ReportContent) -> list[str]:
    """What to type, in order."""
    return [step.command for step in next_steps(given) if step.command]


def test_a_study_that_knows_all_is_refitted_and_looked_at() -> None:
    assert commands(done()) == ["pipeline refit made-up --trial 0", "pipeline ui"]


def test_an_unfinished_study_is_run_first() -> None:
    given = without_answer([COMPLETE] * 3 + [WAITING])
    assert next_steps(given)[0] == ("21 trials of 24 not trained yet.", "pipeline run FILE")


def test_failed_trials_are_counted_by_their_cause_and_tried_again() -> None:
    rows, curves = table([FAIL] * 3, study().objective)
    rows = [replace(row, cause=cause) for row, cause in zip(rows, "aab", strict=True)]
    step = next_steps(without_answer(rows=rows, curves=curves))[1]
    assert step.why == "3 trials failed, 2 with: a. Once that is mended:"
    assert step.command == "pipeline run FILE --retry-failed"


def test_a_study_without_a_complete_trial_has_nothing_to_confirm() -> None:
    assert commands(without_answer([FAIL] * 24)) == ["pipeline run FILE --retry-failed"]


def test_an_unconfirmed_study_is_confirmed() -> None:
    assert "pipeline confirm made-up" in commands(replace(done(), confirmation=None))


def test_what_the_trials_do_not_tell_takes_more_of_them() -> None:
    unknown = effect("dropout_2", verdict="unknown", is_as_good=(True,) * 7)
    given = content([COMPLETE] * 24, summary=summary(effects=(effect(), unknown)))
    (step,) = (one for one in next_steps(given) if "do not tell" in one.why)
    assert "dropout_2;" in step.why
    assert step.command == "pipeline run FILE --trials 48"


@pytest.mark.parametrize(("end", "way"), [("high", "above 0"), ("low", "below 0")])
def test_a_best_value_at_the_edge_asks_for_a_wider_range(end: str, way: str) -> None:
    given = content([COMPLETE] * 24, summary=summary(effects=(effect(at_end=end),)))
    (step,) = (one for one in next_steps(given) if "end of its range" in one.why)
    assert f"widen it {way}" in step.why
    assert "search.warm_start: made-up" in step.why


def test_a_smaller_network_that_is_as_good_is_named() -> None:
    smaller = SmallerNetwork(number=7, n_parameters=1_000, instead_of=20_000)
    step = next_steps(done(smaller=smaller))[0]
    assert "trial 7, 1,000 parameters instead of 20,000" in step.why
    assert step.command == "pipeline refit made-up --trial 7"


def test_a_first_trial_that_is_still_the_best_is_a_warning() -> None:
    step = next_steps(content([COMPLETE] * 24, summary=summary(best=2)))[0]
    assert "found none better" in step.why
