"""What a search has come to follows from its table alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import TPESampler

from pipeline.config import Params, StudyConfig, usual_setting
from pipeline.search.answers.summary import (
    count_first_design,
    noise_between_seeds,
    summarise,
    summary_of,
)
from pipeline.search.finalists import setting_of
from pipeline.search.sampling.bayes import BayesianSearch
from pipeline.search.storage.store import TrialStore
from pipeline.trial import FinalistSetting, SearchSummary, TrialRow, TrialState
from tests.fakes import Fuse, KilledError
from tests.search.studies import RATE, Stores, ended, study

RATES = [10 ** (-4 + 2 * index / 11) for index in range(12)]
"""From one end of the range to the other."""
FIRST = 4
"""With a gate, this many trials of a block of 8 are suggested without a model."""


def asked(**search: Any) -> StudyConfig:
    """A study of a learning rate and a width, with a gate."""
    given: dict[str, Any] = {"trials": 40, "block": 8, "stopping": "halving"} | search
    return study(space=RATE, **given)


def complete(number: int, value: float, n_parameters: int | None = None) -> TrialRow:
    """A trial of this value."""
    row = ended(number, TrialState.COMPLETE, value, (value,))
    return replace(row, n_parameters=n_parameters)


def summary(
    values: Sequence[float], rates: Sequence[float], sizes: Mapping[int, int] | None = None
) -> SearchSummary:
    """Summarise trials that differ in the learning rate."""
    config = asked()
    suggested = [usual_setting(config) | {"learning_rate": rate} for rate in rates]
    rows = [complete(n, value, (sizes or {}).get(n)) for n, value in enumerate(values)]
    found = summarise(config, suggested, rows)
    assert found is not None
    return found


def falling(number: int, gain: float) -> float:
    """A value that falls with the rate, and has some noise."""
    return 0.5 - gain * number + (0.001 if number % 2 else -0.001)


def test_trials_that_fall_beyond_noise_gained_that() -> None:
    values = [falling(number, 0.02) for number in range(12)]
    found = summary(values, RATES)
    assert found.gain is not None
    assert (found.gain.n_first, found.gain.n_later, found.gain.first) == (FIRST, 8, 3)
    assert found.gain.gained == pytest.approx(values[3] - values[11], abs=0.005)
    assert found.gain.is_beyond_noise
    assert found.best == 11
    assert found.last_gain > FIRST
    assert found.warning is None
    assert found.at_ends == ("width 32", "learning_rate 0.01")


def test_trials_that_rise_gained_nothing_and_the_first_one_is_warned_of() -> None:
    found = summary([falling(number, -0.02) for number in range(12)], RATES)
    assert found.gain is not None
    assert (found.gain.gained, found.gain.is_beyond_noise) == (0.0, False)
    assert (found.best, found.last_gain) == (0, 0)
    assert found.warning is not None
    assert "trial 0, is one of the first 4" in found.warning
    assert "a wider space (at an end now: width 32, learning_rate 0.0001)" in found.warning


def test_equal_settings_are_all_tied_and_the_smallest_network_is_named() -> None:
    values = [0.5 + 0.01 * (-1) ** number for number in range(12)]
    sizes = {number: 1_000 - 10 * number for number in range(8)}
    found = summary([*values, 0.485], [*RATES, RATES[6] * 1.01], sizes | {12: 2_000})
    assert found.best == 12
    assert found.tied == tuple(range(12))
    assert found.last_gain == 0
    assert found.smaller is not None
    assert (found.smaller.number, found.smaller.n_parameters) == (7, 930)
    assert found.smaller.instead_of == 2_000
    assert found.gain is not None
    assert not found.gain.is_beyond_noise


def test_networks_of_an_earlier_version_have_no_size() -> None:
    assert summary([0.5] * 12, RATES).smaller is None
    assert summary([0.5] * 12, RATES, dict.fromkeys(range(12), 7)).smaller is None


def test_settings_that_were_tried_twice_are_named_by_their_first_trial() -> None:
    values = [falling(number, -0.02) for number in range(12)]
    found = summary([*values, 0.49], [*RATES, RATES[0]])
    assert (found.best, found.n_settings, found.n_trials) == (0, 12, 13)


def test_noise_is_pooled_over_the_settings_of_the_finalists() -> None:
    some = _finalist(0, 0.1, 0.2, 0.3), _finalist(3, 0.5, None, 0.7), _finalist(6, 0.4, None, None)
    assert noise_between_seeds(some) == pytest.approx(math.sqrt((0.02 + 0.02) / 3))
    assert noise_between_seeds([some[2]]) == noise_between_seeds([]) == 0.0


def _finalist(number: int, *values: float | None) -> FinalistSetting:
    rows = [
        ended(number + i, TrialState.FAIL if value is None else TrialState.COMPLETE, value, ())
        for i, value in enumerate(values)
    ]
    return FinalistSetting(setting_of=number, trials=tuple(rows))


def test_usual_setting_is_known_for_what_it_is() -> None:
    config = asked()
    usual = usual_setting(config)
    suggested = [usual | {"learning_rate": rate} for rate in RATES]
    suggested[0] = usual
    rows = [complete(n, 0.2 + 0.1 * (n > 0)) for n in range(12)]
    found = summarise(config, suggested, rows)
    assert found is not None
    assert found.origin == "usual"
    named = study(space=RATE, trials=40, fixed=[{"learning_rate": 1e-3}])
    of_file = summarise(named, suggested, rows)
    assert of_file is not None
    assert of_file.origin == "file"


def test_nothing_is_said_without_a_complete_trial_or_without_a_choice() -> None:
    config = asked()
    usual = usual_setting(config)
    stopped = [ended(n, TrialState.PRUNED, None, (0.5,)) for n in range(5)]
    assert summarise(config, [usual] * 5, stopped) is None
    assert summarise(config, [], []) is None
    constant = study(space=RATE | {"width": 16, "learning_rate": 1e-3})
    assert summarise(constant, [usual_setting(constant)], [complete(0, 0.5)]) is None


def test_trials_that_failed_or_have_not_ended_are_no_error() -> None:
    config = asked()
    suggested = [usual_setting(config) | {"learning_rate": rate} for rate in RATES]
    rows = [complete(n, falling(n, 0.02)) for n in range(9)]
    failed = ended(9, TrialState.FAIL, None, ())
    known = summarise(config, suggested, [*rows, failed])
    waiting = [ended(10, TrialState.WAITING, None, ()), ended(11, TrialState.RUNNING, None, (9.0,))]
    assert known is not None
    assert known == summarise(config, suggested, [*rows, failed, *waiting])
    alone = summarise(config, suggested, rows[:1])
    assert alone is not None
    assert (alone.tied, alone.gain, alone.last_gain) == ((), None, 0)


@settings(max_examples=10)
@given(st.lists(st.floats(0.1, 0.9), min_size=1, max_size=12))
def test_gain_and_the_first_of_the_tied_agree(values: list[float]) -> None:
    config = asked()
    suggested = [usual_setting(config) | {"learning_rate": rate} for rate in RATES]
    rows = [complete(n, value) for n, value in enumerate(values)]
    found = summarise(config, suggested, rows)
    assert found is not None
    assert found.last_gain == min((found.best, *found.tied))
    assert found.best not in found.tied
    if found.gain is not None:
        assert found.gain.is_beyond_noise == (found.last_gain >= found.gain.n_first)
        assert found.gain.gained >= 0


@pytest.mark.parametrize("sampler", ["random", "qmc", "grid"])
def test_sampler_without_a_model_has_no_gain(sampler: str) -> None:
    stores = Stores(summarise=summary_of)
    config = study(sampler=sampler, trials=16, finalists=1)
    stores.run(config)
    found = stores.held.summary
    assert found is not None
    assert (found.gain, found.warning) == (None, None)
    assert len(found.sentences) == 2


SAMPLERS: list[dict[str, Any]] = [
    {"sampler": "gp", "stopping": "halving"},
    {"sampler": "gp", "stopping": "none"},
    {"sampler": "tpe", "stopping": "halving"},
    {"sampler": "tpe", "stopping": "median"},
]


@pytest.mark.slow
@pytest.mark.parametrize("search", SAMPLERS, ids=lambda search: "-".join(search.values()))
@pytest.mark.parametrize("block", [1, 3, 8])
@pytest.mark.parametrize("growth", [(32,), (11, 32), (7, 19, 32)], ids=str)
def test_first_design_ends_where_the_sampler_begins_to_use_its_model(
    search: dict[str, Any], block: int, growth: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    modelled = _watched(monkeypatch)
    stores = Stores()
    fixed = [{"learning_rate": 1e-3}]
    for trials in growth:
        config = study(trials=trials, block=block, finalists=1, fixed=fixed, **search)
        stores.run(config)
    searched = {row.number for row in stores.rows if row.finalist is None}
    n_first = count_first_design(config, stores.rows)
    assert modelled - {0} == {number for number in searched if number >= n_first}
    assert 0 < n_first < 32


def test_first_design_of_a_warm_start_is_the_files_trials_and_the_usual_setting() -> None:
    fixed = [{"learning_rate": 1e-3}]
    assert count_first_design(study(trials=12, warm_start="other", fixed=fixed), []) == 2


def _watched(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The numbers of the trials that are suggested by a model from now on."""
    modelled: set[int] = set()
    fitted, sample = BayesianSearch._fitted, TPESampler.sample_relative

    def watched_fit(search: Any) -> Any:
        modelled.add(len(search._places))
        return fitted(search)

    def watched_sample(sampler: Any, study_: Any, trial: Any, space: Any) -> Any:
        values = sample(sampler, study_, trial, space)
        modelled.update([trial.number] if values else [])
        return values

    monkeypatch.setattr(BayesianSearch, "_fitted", watched_fit)
    monkeypatch.setattr(TPESampler, "sample_relative", watched_sample)
    return modelled


@pytest.mark.slow
@pytest.mark.parametrize("search", SAMPLERS[:3], ids=lambda search: "-".join(search.values()))
def test_summary_is_the_same_whatever_the_workers_and_deaths(search: dict[str, Any]) -> None:
    config = study(trials=24, finalists=2, **search)
    undisturbed = Stores(summarise=summary_of)
    undisturbed.run(config)
    told = undisturbed.held.summary
    assert told is not None
    assert told == summary_of(config, TrialStore(undisturbed.storage, "small"))
    n_killed = 0
    for calls in range(20, 300, 90):
        stores = Stores(summarise=summary_of)
        try:
            stores.run(config, n_workers=3, seed=calls, fuse=Fuse(calls))
        except KilledError:
            n_killed += 1
        stores.run(config, n_workers=2, seed=1)
        assert stores.held.summary == told
        assert stores.held.summary.sentences == told.sentences
    assert n_killed > 1


def test_interrupted_study_says_nothing_of_its_search() -> None:
    stores = Stores(summarise=summary_of)
    with pytest.raises(KeyboardInterrupt):
        stores.run(asked(), fit=_interrupted)
    assert stores.held.study_status == "KILLED"
    assert stores.held.summary is None


def _interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt


def test_settings_differ_in_active_parameters_alone() -> None:
    config = study()
    usual: Params = usual_setting(config) | {"depth": 1}
    assert setting_of(config, usual) == setting_of(config, usual | {"dropout_3": 0.123})
