"""The best setting that was tried is among those that a summary cannot tell apart: with a truth."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytest

from pipeline.config import Params
from pipeline.search.answers.summary import summary_of
from pipeline.search.storage.store import TrialStore
from pipeline.trial import Cohort, EpochScores, SearchSummary, TrialOutcome, TrialState
from tests.fakes import Fit, epoch_scores
from tests.long_form import in_long_form
from tests.search.studies import Stores, study

SPACE: Final[dict[str, Any]] = {
    "depth": 1,
    "width": {"choices": [32, 64, 128, 256]},
    "input_dropout": {"low": 0.0, "high": 0.3},
    "dropout": {"low": 0.0, "high": 0.6},
    "batch_size": {"choices": [32, 64, 128]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
SEEDS: Final = range(2_000, 2_012)


@dataclass(frozen=True, kw_only=True)
class World:
    """What settings are worth, and how noisy a trial is."""

    sampler: str = "gp"
    steepness: float = 1.0
    noise: float = 0.008

    def worth(self, params: Params) -> float:
        """The mean of a setting's value over seeds."""
        rate = math.log10(params["learning_rate"]) + 2.6
        dropout, given = params["dropout"] - 0.35, params["input_dropout"] - 0.1
        width, batch = math.log2(params["width"] / 128), math.log2(params["batch_size"] / 64)
        squares = 0.06 * rate**2 + 0.4 * dropout**2 + 0.3 * given**2
        squares += 0.006 * width**2 + 0.003 * batch**2
        waves = 0.05 * rate * dropout + 0.01 * math.sin(6 * rate + 3 * dropout)
        return float(0.2 + self.steepness * (squares + waves))

    def fit(self, seed: int) -> Fit:
        """Fit trials of one epoch, whose noise follows from the study's seed and the number."""

        def fit(
            cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
        ) -> Sequence[TrialOutcome]:
            del context
            return [
                self._trial(one.config.number, one.config.params, seed, report)
                for one in cohort.assignments
            ]

        return fit

    def _trial(
        self, number: int, params: Params, seed: int, report: Callable[[EpochScores], None]
    ) -> TrialOutcome:
        chance = np.random.default_rng([seed, number]).normal()
        scores = epoch_scores(number, 1, self.worth(params) + self.noise * float(chance))
        report(scores)
        return TrialOutcome(number=number, state=TrialState.COMPLETE, curve=(scores,))

    def search(self, seed: int) -> tuple[SearchSummary, int]:
        """Run a study of 60 trials; give back its summary and the trial that is truly the best."""
        asked = study(
            space=SPACE, epochs=1, trials=60, block=8, seed=seed, sampler=self.sampler, finalists=3
        )
        stores = Stores()
        stores.run(asked, fit=self.fit(seed))
        searched = [row for row in stores.rows if row.finalist is None]
        best = min(searched, key=lambda row: self.worth(row.params))
        summary = summary_of(asked, TrialStore(stores.storage, "small"))
        assert summary is not None
        return summary, best.number


WORLDS: Final = {
    "slope": World(),
    "flat": World(steepness=0.2),
    "noisy": World(noise=0.02),
    "random": World(sampler="random"),
}


def measured(world: World, seeds: range) -> tuple[int, float, float]:
    """In how many studies the truly best setting is tied, how many are, and the noise found."""
    found = [world.search(seed) for seed in seeds]
    hits = sum(best in (summary.best, *summary.tied) for summary, best in found)
    n_tied = float(np.mean([len(summary.tied) for summary, _ in found]))
    return hits, n_tied, float(np.mean([summary.noise for summary, _ in found]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most_tied"), [in_long_form("slope", 25), in_long_form("flat", 45), ("random", 10)]
)
def test_truly_best_setting_is_rarely_told_from_the_best(name: str, most_tied: float) -> None:
    hits, n_tied, noise = measured(WORLDS[name], SEEDS)
    assert hits >= len(SEEDS) - 2
    assert 0 < n_tied < most_tied
    assert noise == pytest.approx(WORLDS[name].noise, rel=0.25)
