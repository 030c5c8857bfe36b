"""Which settings are trained again, and what a candidate knows of itself."""

import json
import math

import pytest

from pipeline.analysis import Choice, choose_candidates, judge, without_dropout
from pipeline.analysis.candidates import Dropped
from pipeline.config import Finalist
from pipeline.trial import SealedScores, TrialRow, TrialState
from tests.analysis.builders import candidate, row


def numbers(choice: Choice) -> list[int]:
    """The trials that were chosen, in their order."""
    return [one.number for one in choice.trials]


def test_json_holds_test_scores_with_their_intervals() -> None:
    scored = candidate(3, [0.5, 0.5]).with_test(
        {1: SealedScores(0.4, 0.9), 2: SealedScores(0.6, 0.9)}
    )
    told = json.loads(json.dumps(judge([scored]).as_json()))
    (only,) = told["candidates"]
    assert only["test"]["mean"] == pytest.approx(0.5)
    assert only["test"]["low"] < 0.5 < only["test"]["high"]
    assert only["test_accuracy"]["mean"] == pytest.approx(0.9)
    assert told["tied"] == [3]


def test_json_has_no_accuracy_where_the_model_has_none() -> None:
    scored = candidate(3, [0.5]).with_test({1: SealedScores(0.4)})
    assert scored.as_json()["test_accuracy"] is None
    assert scored.as_json()["test"]["mean"] == 0.4


def test_json_holds_what_a_module_logged_on_the_test_part_of_every_seed() -> None:
    scores = [{"test_f1": 0.5, "seldom": 1.0}, {"test_f1": 0.7, "often": 2.0}]
    repeats = {number: SealedScores(0.4, None, one) for number, one in enumerate(scores, start=1)}
    answer = judge([candidate(3, [0.5, 0.5]).with_test(repeats)])
    told = json.loads(json.dumps(answer.as_json()))["candidates"][0]["metrics"]
    assert told.keys() == {"test_f1"} == set(answer.shown_metrics)
    assert answer.has_test_loss
    assert told["test_f1"]["mean"] == pytest.approx(0.6)
    assert told["test_f1"]["low"] < 0.5
    assert told["test_f1"]["high"] > 0.7
    assert judge([candidate(3, [0.5])]).as_json()["candidates"][0]["metrics"] == {}


@pytest.mark.parametrize(
    ("metrics", "is_shown"), [({}, True), ({"test_f1": 0.5}, False)], ids=["nothing", "another"]
)
def test_a_loss_that_no_module_logs_is_not_shown_beside_another_score(
    metrics: dict[str, float], *, is_shown: bool
) -> None:
    scored = candidate(3, [0.5]).with_test({1: SealedScores(math.nan, None, metrics)})
    assert judge([scored]).has_test_loss == is_shown


def test_candidates_are_the_best_and_those_that_the_file_names_once_each() -> None:
    rows = [
        row(0, None, TrialState.PRUNED),
        row(1, 0.2),
        row(2, None, TrialState.FAIL),
        row(3, 0.1),
        row(4, 0.4),
        row(5, None, TrialState.PRUNED),
        row(6, None, TrialState.WAITING),
    ]
    assert numbers(choose_candidates(rows, top=2, n_fixed=3)) == [3, 1, 0]
    assert numbers(choose_candidates(rows, top=9, n_fixed=0)) == [3, 1, 4]


def test_best_values_and_best_predictions_take_turns() -> None:
    rows = [row(number, 0.1 + number / 10) for number in range(6)]
    chosen = choose_candidates(rows, top=4, n_fixed=0, predicted=[5, 0, 4, 3, 2, 1])
    assert numbers(chosen) == [0, 5, 1, 2]
    alone = choose_candidates(rows, top=1, n_fixed=0, predicted=[5])
    assert numbers(alone) == [0], "the best value is always there"
    lost = choose_candidates(
        [*rows, row(7, None, TrialState.FAIL)], top=2, n_fixed=0, predicted=[9, 7]
    )
    assert numbers(lost) == [0, 1], "the table does not have what the model knows"


def test_candidates_have_different_settings_the_finalists_first_by_their_means() -> None:
    final = {n: Finalist(setting_of=n, first=4, last=7) for n in (0, 2)}
    rows = [
        *(row(0, 0.3), row(1, 0.1), row(2, 0.2), row(3, 0.1, depth=1)),
        *(row(4, 0.25, depth=2, finalist=final[2]), row(5, 0.23, depth=2, finalist=final[2])),
        *(row(6, 0.15, depth=0, finalist=final[0]), row(7, 0.17, depth=0, finalist=final[0])),
    ]
    assert numbers(choose_candidates(rows, top=9, n_fixed=2)) == [6, 5, 1]
    by_both = choose_candidates(rows, top=1, n_fixed=2, predicted=[2, 0])
    assert numbers(by_both) == [6, 1]
    assert by_both.baseline == 6, "the first setting of the file, as its finalist"


def test_nothing_is_a_candidate_where_no_trial_is_complete() -> None:
    assert choose_candidates([row(0, None, TrialState.PRUNED)], top=5, n_fixed=1) == Choice()


RATES = [
    row(0, 0.5, depth=1, dropout_1=0.0, input_dropout=0.0),
    row(1, 0.4, depth=0, input_dropout=0.0),
    row(2, 0.3, depth=1, dropout_1=0.0, input_dropout=0.0, width=8),
    row(3, 0.1, depth=1, dropout_1=0.4, input_dropout=0.0),
]


@pytest.mark.parametrize(
    ("rows", "n_fixed", "chosen", "baseline"),
    [
        pytest.param(RATES, 2, [3, 0, 1], 0, id="the first that the file names"),
        pytest.param(
            [row(0, None, TrialState.FAIL), *RATES[1:]],
            2,
            [3, 1],
            1,
            id="the first that is trained",
        ),
        pytest.param(RATES, 0, [3, 2], 2, id="the best without dropout"),
        pytest.param([RATES[3]], 0, [3], "baseline", id="no trial went without dropout"),
        pytest.param([row(0, 0.1), row(1, 0.2)], 0, [0], None, id="there is no dropout"),
    ],
)
def test_a_baseline_is_always_among_the_candidates(
    rows: list[TrialRow], n_fixed: int, chosen: list[int], baseline: int | str | None
) -> None:
    choice = choose_candidates(rows, top=1, n_fixed=n_fixed)
    assert (numbers(choice), choice.baseline) == (chosen, baseline)


def test_a_setting_loses_its_rates_and_nothing_else() -> None:
    params = {"depth": 2, "dropout_1": 0.3, "dropout_2": 0.0, "input_dropout": 0.1, "width": 8}
    plain = {"depth": 2, "dropout_1": 0.0, "dropout_2": 0.0, "input_dropout": 0.0, "width": 8}
    assert without_dropout(params) == plain
    assert without_dropout({"dropout": True, "kind": "dropout"}) == {
        "dropout": True,
        "kind": "dropout",
    }


def test_a_candidate_tells_whether_it_can_still_win() -> None:
    assert candidate(1, [0.1, 0.2]).is_in_race
    assert not candidate(1, [0.1, None]).is_in_race
    dropped = candidate(1, [0.1], dropped=Dropped(after=1, by=2, difference=0.5))
    assert not dropped.is_in_race
    assert dropped.as_json()["dropped"] == {"after": 1, "by": 2, "difference": 0.5}
    assert [candidate(1, [0.1], is_baseline=it).title for it in (False, True)] == [
        "1",
        "1 (baseline)",
    ]
