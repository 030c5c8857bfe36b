"""What each parameter does: found again where the truth is known."""

import math
from collections import Counter
from functools import cache
from typing import Any, Final

import numpy as np
import pytest

from pipeline.config import Params
from pipeline.search.answers.summary import summary_of
from pipeline.search.sampling.surrogate import Outcomes, fit
from pipeline.search.storage.store import TrialStore
from pipeline.trial import Effect
from tests.search.studies import Stores, study
from tests.search.test_summary_honesty import World

SPACE: Final[dict[str, Any]] = {
    "depth": {"low": 1, "high": 3},
    "width": {"choices": [32, 64, 128, 256]},
    "input_dropout": {"low": 0.0, "high": 0.3},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [32, 64, 128]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
TRUTH: Final[dict[str, float]] = {
    "input_dropout": 0.0,
    "dropout_1": 0.2,
    "dropout_3": 0.45,
    "depth": 2,
    "width": 256,
    "learning_rate": 1e-2,
}
WITHOUT_EFFECT: Final = ("dropout_2", "batch_size")
SEEDS: Final = range(3_200, 3_208)


class Layers(World):
    """The first layer wants 0.2, the second nothing in particular, the third 0.45."""

    def worth(self, params: Params) -> float:
        """The mean of a setting's value over seeds."""
        rate, width = math.log10(params["learning_rate"]) + 1.7, math.log2(params["width"] / 256)
        value = 0.2 + 0.03 * rate**2 + 0.01 * width**2 + 0.02 * (params["depth"] - 2) ** 2
        value += 0.1 * params["input_dropout"] + 0.5 * (params["dropout_1"] - 0.2) ** 2
        return float(value + 0.3 * (params.get("dropout_3", 0.45) - 0.45) ** 2)


@cache
def found(seed: int, sampler: str = "random") -> dict[str, Effect]:
    """The effects of a study of 60 trials."""
    asked = study(
        space=SPACE, epochs=1, trials=60, block=8, seed=seed, sampler=sampler, finalists=3
    )
    stores = Stores()
    stores.run(asked, fit=Layers(sampler=sampler).fit(seed))
    summary = summary_of(asked, TrialStore(stores.storage, "small"))
    assert summary is not None
    return {effect.parameter: effect for effect in summary.effects}


def is_held(effect: Effect) -> bool:
    """Whether the true best is among the values that cannot be told from the best."""
    truth = TRUTH[effect.parameter]
    return min(effect.values, key=lambda value: abs(float(value) - truth)) in effect.as_good


def measured(sampler: str, seeds: range) -> dict[str, tuple[float, float, Counter[str]]]:
    """By parameter how often the best is held, what part of the range is, and the verdicts."""
    table = {}
    for name in (*TRUTH, *WITHOUT_EFFECT):
        effects = [found(seed, sampler)[name] for seed in seeds]
        held = float(np.mean([name in WITHOUT_EFFECT or is_held(one) for one in effects]))
        part = float(np.mean([len(one.as_good) / len(one.values) for one in effects]))
        table[name] = held, part, Counter(str(one.verdict) for one in effects)
    return table


def test_rates_come_first_and_every_searched_parameter_is_there() -> None:
    rates = ("input_dropout", "dropout_1", "dropout_2", "dropout_3")
    assert tuple(found(SEEDS[0])) == (*rates, "depth", "width", "batch_size", "learning_rate")
    assert sum(effect.share for effect in found(SEEDS[0]).values()) == pytest.approx(1.0)


@pytest.mark.parametrize("parameter", TRUTH)
def test_the_true_best_is_among_the_values_that_cannot_be_told_from_the_best(
    parameter: str,
) -> None:
    assert sum(is_held(found(seed)[parameter]) for seed in SEEDS) >= len(SEEDS) - 1


def test_what_has_an_effect_is_said_to_and_what_has_none_is_not() -> None:
    verdicts = {
        name: Counter(found(seed)[name].verdict for seed in SEEDS)
        for name in (*TRUTH, *WITHOUT_EFFECT)
    }
    assert all(verdicts[name]["wants"] <= 1 for name in WITHOUT_EFFECT), verdicts
    for name in ("dropout_1", "depth", "width", "learning_rate"):
        assert verdicts[name]["wants"] >= len(SEEDS) - 1, verdicts


def test_an_optimum_at_the_end_of_the_range_is_told() -> None:
    ends = Counter(found(seed)["learning_rate"].at_end for seed in SEEDS)
    assert ends["high"] >= len(SEEDS) // 2
    assert not ends["low"]
    assert all(found(seed)["input_dropout"].at_end is None for seed in SEEDS), "0 is no end"


def test_too_few_settings_say_nothing() -> None:
    asked = study(space=SPACE, epochs=1, trials=6, sampler="random")
    stores = Stores()
    stores.run(asked, fit=Layers(sampler="random").fit(1))
    summary = summary_of(asked, TrialStore(stores.storage, "small"))
    assert summary is not None
    assert summary.effects == ()


def test_a_contrast_of_two_settings_is_their_comparison() -> None:
    chance = np.random.default_rng(0)
    places = chance.uniform(size=(20, 3))
    outcomes = Outcomes(
        places=places, values=places.sum(axis=1), doubt=np.zeros(20), owner=np.arange(3)
    )
    model = fit(outcomes)
    asked = chance.uniform(size=(4, 3))
    weights = np.eye(4)[1:] - np.eye(4)[0]
    for contrast, comparison in zip(
        model.contrast(asked, weights), model.compare(asked[1:], asked[0]), strict=True
    ):
        assert contrast == pytest.approx(comparison, abs=1e-9)
