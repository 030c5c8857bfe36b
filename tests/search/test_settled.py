"""``search.until: settled`` ends a search where nothing more is gained, by numbers alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.config import Params, StudyConfig, usual_setting
from pipeline.search.settled import find_settled
from pipeline.search.storage.store import TrialStore
from pipeline.trial import Settled, TrialState
from tests.fakes import Fuse, KilledError
from tests.search.studies import Stores, ended, study

FEW: dict[str, Any] = {
    "depth": 1,
    "width": {"choices": [16, 32]},
    "dropout": {"choices": [0.1, 0.3, 0.5]},
    "batch_size": 32,
    "learning_rate": 1e-3,
}
"""Six settings."""
RATE = FEW | {"width": 16, "dropout": 0.1, "learning_rate": {"low": 1e-4, "high": 1e-2}}
ASKED: dict[str, Any] = {
    "space": FEW,
    "trials": 40,
    "block": 3,
    "finalists": 2,
    "until": "settled",
    "sampler": "random",
}
NOISE = 0.01


def suggested(asked: StudyConfig, rates: Sequence[float]) -> list[Params]:
    """Settings that differ in the learning rate."""
    return [usual_setting(asked) | {"learning_rate": rate} for rate in rates]


def settled(values: Sequence[float], rates: Sequence[float], block: int = 4) -> Settled | None:
    """What the rule says of trials with these values."""
    asked = study(space=RATE, block=block, trials=200)
    trials = [ended(n, TrialState.COMPLETE, v, (v,)) for n, v in enumerate(values)]
    at = len(trials) + block
    return find_settled(asked, suggested(asked, rates), trials, at=at)


def spread_out(n_trials: int, *, slope: float) -> tuple[list[float], list[float]]:
    """Noisy values of settings that are spread over the whole space again and again."""
    chance = np.random.default_rng(1)
    rates = np.tile(np.linspace(1e-4, 1e-2, 6), n_trials)[:n_trials]
    values = 0.5 + slope * np.arange(n_trials) + NOISE * chance.normal(size=n_trials)
    return values.tolist(), rates.tolist()


def test_search_is_settled_where_all_settings_are_known_and_equal_but_for_noise() -> None:
    found = settled(*spread_out(48, slope=0.0))
    assert found is not None
    assert (found.at, found.n_trials) == (52, 61)
    assert found.noise == pytest.approx(NOISE, rel=0.5)
    assert max(found.gained, found.expected) < found.noise / 2
    assert found.sentence.startswith("settled after 52 trials: the latest gained ")


def test_search_is_not_settled_before_three_blocks_have_ended() -> None:
    values, rates = spread_out(48, slope=0.0)
    assert settled(values, rates, block=16) is not None
    assert settled(values[:47], rates[:47], block=16) is None


def test_search_is_not_settled_while_values_fall_towards_what_is_unknown() -> None:
    values, rates = spread_out(48, slope=0.0)
    near = [rate / 3 for rate in rates]
    told = [value - 50 * rate for value, rate in zip(values, near, strict=True)]
    assert settled(told, near) is None


def test_search_is_not_settled_where_the_latest_blocks_gained() -> None:
    values, rates = spread_out(40, slope=0.0)
    chance = np.random.default_rng(2)
    better = (0.4 + NOISE * chance.normal(size=8)).tolist()
    assert settled(values, rates) is not None
    assert settled([*values, *better], [*rates, *[5e-3] * 8]) is None
    assert settled([*values, *better, *values[:8]], [*rates, *[5e-3] * 8, *rates[:8]]) is not None


def test_search_without_a_complete_trial_is_not_settled() -> None:
    asked = study(space=RATE, block=4, trials=200)
    trials = [ended(n, TrialState.PRUNED, None, (0.5,)) for n in range(20)]
    assert find_settled(asked, suggested(asked, [1e-3] * 20), trials, at=24) is None


def test_search_of_one_setting_is_settled() -> None:
    asked = study(space=RATE | {"learning_rate": 1e-3}, block=4, trials=200)
    trials = [ended(n, TrialState.COMPLETE, 0.5, (0.5,)) for n in range(12)]
    found = find_settled(asked, suggested(asked, [1e-3] * 12), trials, at=16)
    assert found is not None
    assert found.at == 16


def run(asked: StudyConfig, **how: Any) -> Stores:
    """Run a study from nothing."""
    stores = Stores()
    stores.run(asked, **how)
    return stores


def why(stores: Stores) -> Settled | None:
    """Why a study's search has ended."""
    return TrialStore(stores.storage, "small").settled


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random"])
@pytest.mark.parametrize("stopping", ["none", "halving"])
def test_finalists_follow_where_the_search_is_settled_and_the_study_is_done(
    sampler: str, stopping: str
) -> None:
    stores = run(study(**ASKED | {"sampler": sampler, "stopping": stopping}))
    found = why(stores)
    assert found is not None
    assert len(stores.rows) == found.n_trials == found.at + 6 < 40
    assert found.at % 3 == 0
    marked = [row.number for row in stores.rows if row.finalist]
    assert marked == list(range(found.at, found.at + 6))
    assert (stores.held.study_status, stores.held.settled) == ("FINISHED", found)
    assert {row.state.is_finished for row in stores.rows} == {True}


def test_search_is_settled_at_one_trial_whatever_the_workers_and_their_delays() -> None:
    asked = study(**ASKED)
    alone = run(asked)
    for n_workers, seed in ((2, 1), (5, 2), (8, 3)):
        other = run(asked, n_workers=n_workers, seed=seed, max_cohort=None)
        assert other.table == alone.table
        assert why(other) == why(alone)


def test_settled_study_without_finalists_ends_at_once() -> None:
    stores = run(study(**ASKED | {"finalists": 0}))
    found = why(stores)
    assert found is not None
    assert len(stores.rows) == found.n_trials == found.at
    assert stores.held.study_status == "FINISHED"


def test_settled_study_trains_nothing_when_it_is_run_again_not_even_with_more_trials() -> None:
    stores = run(study(**ASKED))
    table = stores.table
    for trials in (40, 90):
        assert stores.run(study(**ASKED | {"trials": trials})).order == []
        assert stores.table == table
        assert stores.held.study_status == "FINISHED"


def test_study_that_grows_over_the_fewest_trials_for_finalists_stays_settled_without_them() -> None:
    by_default = ASKED | {"finalists": None, "trials": 39}
    stores = run(study(**by_default))
    assert [row for row in stores.rows if row.finalist] == []
    assert stores.run(study(**by_default | {"trials": 60})).order == []
    assert stores.held.study_status == "FINISHED"


def test_settled_study_killed_at_any_call_ends_with_the_undisturbed_table() -> None:
    asked = study(**ASKED)
    whole, n_killed = run(asked), 0
    for calls in range(0, 300, 17):
        stores = Stores()
        try:
            stores.run(asked, n_workers=3, seed=calls, fuse=Fuse(calls))
        except KilledError:
            n_killed += 1
            stores.run(asked, n_workers=2, seed=calls)
        assert stores.table == whole.table
        assert why(stores) == why(whole)
        assert stores.held.study_status == "FINISHED"
    assert n_killed > 5


def test_search_goes_on_to_its_last_trial_where_it_is_not_asked_to_settle() -> None:
    stores = run(study(**ASKED | {"until": None}))
    assert (len(stores.rows), why(stores)) == (40, None)


def test_study_that_has_not_settled_goes_on_with_more_trials_until_it_has() -> None:
    whole = why(run(study(**ASKED)))
    assert whole is not None
    few = whole.at - 3 + 6
    stores = run(study(**ASKED | {"trials": few}))
    assert (len(stores.rows), why(stores)) == (few, None)
    assert stores.run(study(**ASKED)).order != []
    assert why(stores) is not None
    assert stores.held.study_status == "FINISHED"
