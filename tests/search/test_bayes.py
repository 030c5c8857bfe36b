import math
from typing import Any

import numpy as np
import pytest

from pipeline.config import Params, usual_setting
from pipeline.search.sampling.bayes import BayesianSearch
from pipeline.search.sampling.known import MAX_OUTCOMES, Known
from pipeline.search.sampling.suggest import SampledView, Suggester
from pipeline.trial import TrialState
from tests.search.studies import ended, study

SPACE: dict[str, Any] = {
    "depth": {"low": 1, "high": 3},
    "width": {"choices": [8, 16, 32]},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [32, 64]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}


def loss(params: Params) -> float:
    """Lowest, 0.2, at two layers of 32 with dropout 0.2 and learning rate 3e-3."""
    rates = [params[f"dropout_{layer}"] for layer in range(1, params["depth"] + 1)]
    return float(
        0.2
        + 0.1 * (math.log10(params["learning_rate"]) + 2.5) ** 2
        + 0.05 * (params["depth"] - 2) ** 2
        + 0.05 * (5 - math.log2(params["width"]))
        + sum((rate - 0.2) ** 2 for rate in rates)
    )


def best_of(suggester: Suggester, n_trials: int, lag: int = 4) -> float:
    """The lowest loss of a study whose trials see those up to ``lag`` before them."""
    values: list[float] = []
    for number in range(n_trials):
        if number >= lag:
            past = number - lag
            suggester.tell(ended(past, TrialState.COMPLETE, values[past], (values[past],)))
        values.append(loss(suggester.ask(number)))
    return min(values)


def test_search_comes_nearer_to_the_optimum_than_random_draws() -> None:
    found, drawn = 0.0, 0.0
    for seed in range(3):
        asked = study(space=SPACE, trials=40, seed=seed)
        draws = SampledView(study(space=SPACE, trials=40, seed=seed, sampler="random"))
        found += best_of(BayesianSearch(asked), 40) - 0.2
        drawn += best_of(draws, 40) - 0.2
    assert found < 0.2 * drawn


def test_first_design_is_the_files_trials_then_the_usual_setting_then_a_sequence() -> None:
    asked = study(space=SPACE, fixed=[{"depth": 3, "dropout": 0.25}])
    search = BayesianSearch(asked)
    first, usual, *others = [search.ask(number) for number in range(10)]
    assert first == usual_setting(asked) | {"depth": 3} | {f"dropout_{n}": 0.25 for n in (1, 2, 3)}
    assert usual == usual_setting(asked)
    rates = np.sort([setting["learning_rate"] for setting in others])
    assert rates[0] < 10**-3.5
    assert rates[-1] > 10**-2.5


def test_another_seed_gives_another_design_and_the_same_one_the_same() -> None:
    def designs(seed: int) -> list[Params]:
        search = BayesianSearch(study(space=SPACE, seed=seed))
        return [search.ask(number) for number in range(4)]

    assert designs(1) == designs(1) != designs(2)


def told(search: Suggester, numbers: range) -> None:
    for number in numbers:
        search.tell(ended(number, TrialState.COMPLETE, 1 / (1 + number), (1.0, 1 / (1 + number))))


def test_restored_trials_lead_to_the_suggestions_that_asked_ones_do() -> None:
    asked = study(space=SPACE)
    live, again = BayesianSearch(asked), BayesianSearch(asked)
    params = [live.ask(number) for number in range(12)]
    for number, known in enumerate(params):
        again.restore(number, known)
    told(live, range(8))
    told(again, range(8))
    assert [live.ask(number) for number in (12, 13)] == [again.ask(number) for number in (12, 13)]


def test_a_peek_counts_until_the_outcome_is_told() -> None:
    asked = study(space=SPACE)
    peeking, blind, late = (BayesianSearch(asked) for _ in range(3))
    for search in (peeking, blind, late):
        for number in range(12):
            search.ask(number)
        told(search, range(8))
    for search in (peeking, late):
        search.peek(8, (1.0, 0.01))
    assert peeking.ask(12) != blind.ask(12)
    for search in (late, blind):
        search.tell(ended(8, TrialState.COMPLETE, 0.5, (1.0, 0.5)))
    assert late._known.outcomes(late._places, late._encoding.owner).values.tolist() == (
        blind._known.outcomes(blind._places, blind._encoding.owner).values.tolist()
    )


def known_values(*trials: Any) -> tuple[list[float], list[float]]:
    asked = study(space=SPACE)
    search = BayesianSearch(asked)
    for number in range(len(trials)):
        search.ask(number)
    known = Known()
    for trial in trials:
        known.tell(trial)
    outcomes = known.outcomes(search._places, search._encoding.owner)
    return outcomes.values.tolist(), outcomes.doubt.tolist()


def test_a_stopped_trial_counts_with_the_forecast_of_its_value() -> None:
    complete = [
        ended(n, TrialState.COMPLETE, 0.5 * early, (early, 0.5 * early))
        for n, early in enumerate((0.9, 0.8, 0.7, 0.6, 0.5))
    ]
    stopped = ended(5, TrialState.PRUNED, None, (1.0,))
    values, doubts = known_values(*complete, stopped)
    assert values[5] == pytest.approx(0.5)
    assert doubts[:5] == [0.0] * 5


def test_a_failed_trial_counts_as_a_bad_one_and_diverging_ones_do_not_hide_the_rest() -> None:
    rows = [ended(n, TrialState.COMPLETE, v, (v,)) for n, v in enumerate((0.2, 0.3, 0.4, 1e9))]
    values, _ = known_values(*rows, ended(4, TrialState.FAIL, None, (), "diverged"))
    assert values == pytest.approx([0.2, 0.3, 0.4, 0.35 + 2 * 0.15, 0.35 + 2 * 0.15])


def test_a_study_in_which_everything_failed_still_suggests() -> None:
    search = BayesianSearch(study(space=SPACE))
    for number in range(6):
        search.ask(number)
        search.tell(ended(number, TrialState.FAIL, None, (), "diverged"))
    assert search.ask(6)["depth"] in (1, 2, 3)


def test_the_model_knows_the_best_and_the_latest_of_many_trials() -> None:
    n_trials = MAX_OUTCOMES + 100
    rows = [ended(n, TrialState.COMPLETE, 1 / (1 + n % 300), (1.0,)) for n in range(n_trials)]
    known = Known()
    for row in rows:
        known.tell(row)
    asked = study(space=SPACE)
    encoding = BayesianSearch(asked)._encoding
    setting = BayesianSearch(asked).ask(0)
    outcomes = known.outcomes(encoding.encode([setting] * n_trials), encoding.owner)
    assert len(outcomes.values) == MAX_OUTCOMES
    assert outcomes.values.min() == 1.0  # the last loss of each curve


def test_pending_trials_are_those_that_nothing_is_known_of_in_whatever_order_they_end() -> None:
    known = Known()
    for number in (1, 0, 4):
        known.tell(ended(number, TrialState.COMPLETE, 1.0, (1.0,)))
    known.peek(6, (2.0,))
    assert known.pending(8) == [2, 3, 5, 7]
    known.tell(ended(2, TrialState.FAIL, None, (), "diverged"))
    known.tell(ended(6, TrialState.COMPLETE, 1.0, (2.0, 1.0)))
    assert known.pending(8) == [3, 5, 7]
    assert len(known) == 5


def test_the_places_of_many_trials_are_those_of_their_settings_in_order() -> None:
    asked = study(space=SPACE, trials=200)
    draws, search = SampledView(study(space=SPACE, sampler="random")), BayesianSearch(asked)
    settings = [draws.ask(number) for number in range(200)]
    for number, setting in enumerate(settings):
        search.restore(number, setting)
    assert search._places.tolist() == search._encoding.encode(settings).tolist()
