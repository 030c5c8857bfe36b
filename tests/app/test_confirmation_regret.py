"""Whom a confirmation picks is better than the search's lowest value, at equal total budget.

Studies are made up: what a setting is worth is known, and so is the noise of a trial. The long
form's figures are in docs/decisions/0034-who-wins-and-by-how-much.md.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pytest

from pipeline.analysis import Candidate, Repeat, choose_candidates, judge, race, without_dropout
from pipeline.config import NO_DROPOUT, Params, ShownNumber, StudyConfig
from pipeline.search.finalists import rank_settings
from pipeline.search.storage.store import TrialStore
from tests.long_form import in_long_form
from tests.search.studies import Stores, study
from tests.search.test_summary_honesty import SPACE, World

N_TRIALS: Final = 60
N_SEEDS: Final = 5
MOST: Final = N_TRIALS + 6 * N_SEEDS
"""So many trainings a confirmation of five trials and a baseline takes at most."""


def search(world: World, seed: int) -> tuple[StudyConfig, Stores]:
    """A study with as many trials as search and confirmation have trainings together.

    Its first trials are those of a study that has no others: a study is a function.
    """
    asked = study(
        space=SPACE, epochs=1, trials=MOST, block=8, seed=seed, sampler=world.sampler, finalists=0
    )
    stores = Stores()
    stores.run(asked, fit=world.fit(seed))
    return asked, stores


def confirm(world: World, seed: int, asked: StudyConfig, stores: Stores) -> tuple[float, int]:
    """What the winner of a confirmation of the first trials is worth, and the trainings for it."""
    rows, suggested = stores.rows[:N_TRIALS], TrialStore(stores.storage, "small").suggested()
    predicted = rank_settings(asked, suggested[:N_TRIALS], rows)
    choice = choose_candidates(rows, top=5, n_fixed=0, predicted=predicted)
    params: dict[ShownNumber, Params] = {row.number: dict(row.params) for row in choice.trials}
    if choice.baseline == NO_DROPOUT:
        params[NO_DROPOUT] = without_dropout(choice.trials[0].params)
    chance = np.random.default_rng([seed, 34])

    def train(
        numbers: Sequence[ShownNumber], repeats: range
    ) -> Mapping[ShownNumber, Sequence[Repeat]]:
        return {
            number: [
                Repeat(repeat=r, value=world.worth(params[number]) + world.noise * chance.normal())
                for r in repeats
            ]
            for number in numbers
        }

    waiting = [
        Candidate(number=number, params=given, is_baseline=number == choice.baseline)
        for number, given in params.items()
    ]
    answer = judge(race(waiting, train, n_seeds=N_SEEDS))
    assert answer.winner is not None
    n_trainings = sum(len(one.repeats) for one in answer.candidates)
    return world.worth(params[answer.winner]), N_TRIALS + n_trainings


def compare(world: World, seed: int) -> tuple[float, float]:
    """What the confirmed winner is worth, and the lowest value of a search as long as both."""
    asked, stores = search(world, seed)
    worth, n_trainings = confirm(world, seed, asked, stores)
    lowest = min(stores.rows[:n_trainings], key=lambda row: row.value or 0.0)
    return worth, world.worth(lowest.params)


def measure(world: World, seeds: range) -> tuple[float, float]:
    """By how much the lowest value is worse than the winner in the mean, and its standard error."""
    pairs = np.array([compare(world, seed) for seed in seeds])
    worse = pairs[:, 1] - pairs[:, 0]
    return float(worse.mean()), float(worse.std(ddof=1) / np.sqrt(len(worse)))


WORLDS: Final = {"gp": World(noise=0.02), "random": World(noise=0.02, sampler="random")}


@pytest.mark.slow
@pytest.mark.parametrize("name", [in_long_form(name) for name in WORLDS])
def test_confirmed_winner_is_no_worse_than_the_lowest_value_of_as_many_trainings(name: str) -> None:
    worse, error = measure(WORLDS[name], range(5_000, 5_040))
    assert worse > 2 * error if name == "random" else worse > -2 * error
