"""``search.until: settled``: when more trials would gain nothing that is larger than noise."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.config import FINALIST_SEEDS, Params, StudyConfig, derive_seed
from pipeline.search.finalists import model_of
from pipeline.search.sampling.acquisition import largest_improvement
from pipeline.search.sampling.encoding import Encoding
from pipeline.trial import Settled, TrialRow, TrialState

FEWEST_BLOCKS: Final = 3
"""So many blocks must have ended before the rule looks."""
LATEST_BLOCKS: Final = 2
"""What these have gained is compared with the noise."""
PART_OF_NOISE: Final = 0.5
"""A gain counts from this part of the noise's standard deviation on."""


def find_settled(
    study: StudyConfig, suggested: Sequence[Params], trials: Sequence[TrialRow], *, at: int
) -> Settled | None:
    """Decide whether the search ends before a trial; ``None``: it goes on.

    It ends where the latest two blocks have lowered the lowest predicted mean, and the next trial
    is expected to lower it, by less than half of the noise. Both follow from a Gaussian process
    over all outcomes that the trial sees, whatever sampler suggested the trials.

    Args:
        study: Its space and its block.
        suggested: The parameters of each trial, by number.
        trials: The first trials, ended: those that the trial sees.
        at: The trial's number.
    """
    n_latest = LATEST_BLOCKS * study.search.block
    encoding = Encoding(study.space)
    n_complete = sum(trial.state is TrialState.COMPLETE for trial in trials)
    if len(trials) < FEWEST_BLOCKS * study.search.block or not n_complete:
        return None
    n_trials = at + FINALIST_SEEDS * study.n_finalists
    if not encoding.n_columns:
        return Settled(at=at, n_trials=n_trials, gained=0.0, expected=0.0, noise=0.0)
    rng = np.random.default_rng(derive_seed(study.search.seed, at, "settled"))
    with threadpool_limits(1):  # sums must not depend on how many cores the driver has
        model, places = model_of(study, encoding, suggested, trials)
        means, _ = model.predict(places[: len(trials)])
        expected = largest_improvement(model, encoding, rng)
    gained = float(means[:-n_latest].min() - means.min())
    noise = model.noise_sd
    if max(gained, expected) >= PART_OF_NOISE * noise:
        return None
    return Settled(at=at, n_trials=n_trials, gained=gained, expected=expected, noise=noise)
