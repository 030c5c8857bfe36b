"""BoTorch's noisy expected improvement as its tutorials write it."""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy.stats import qmc

from benchmarks.search.cube import Cube, Point
from pipeline.config import StudyConfig, derive_seed
from pipeline.search.blocks import resolve
from pipeline.trial import Assignment, TrialRow

N_FIRST: Final = 8
"""Points of a scrambled Sobol sequence before the model is asked."""
N_RESTARTS: Final = 4
N_RAW: Final = 128
"""Points from which the restarts of the maximisation are chosen."""


class QLogNei:
    """A Gaussian process with BoTorch's defaults and qLogNEI (https://arxiv.org/abs/2310.20708).

    Numbers are searched as numbers and rounded, choices in the order of the file. A trial without
    a value counts as the worst one.

    Args:
        study: The space, the epochs and the seed.
    """

    def __init__(self, study: StudyConfig) -> None:
        self._study = study
        self._cube = Cube(study)
        sobol = qmc.Sobol(self._cube.n_sides, scramble=True, seed=study.search.seed)
        self._first: list[Point] = list(sobol.random(N_FIRST))
        self._points: list[Point] = []
        self._values: list[float] = []

    def ask(self) -> Sequence[Assignment]:
        """Ask for the next trial."""
        number = len(self._points)
        proposed = self._first[number] if number < N_FIRST else self._propose(number)
        params = self._cube.params(proposed)
        self._points.append(self._cube.point(params))
        early = self._study.training.early_stopping
        return [
            Assignment(
                config=resolve(self._study, number, params),
                epochs=self._study.training.most_epochs,
                patience=early.patience if early else None,
            )
        ]

    def tell(self, trial: TrialRow) -> None:
        """Take in a value."""
        known = [*self._values, 1.0]
        self._values.append(max(known) if trial.value is None else trial.value)

    def _propose(self, number: int) -> Point:
        import torch

        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            torch.manual_seed(derive_seed(self._study.search.seed, number, "botorch"))
            points = torch.tensor(np.stack(self._points), dtype=torch.float64)
            values = -torch.tensor(self._values, dtype=torch.float64)[:, None]
            proposed: Any = maximise(points, values)
        return np.asarray(proposed.detach().numpy()[0], np.float64)


def maximise(points: Any, values: Any) -> Any:
    """Fit a Gaussian process and maximise the acquisition function over the unit cube.

    Args:
        points: float64 [n, d].
        values: float64 [n, 1], the higher the better.

    Returns:
        float64 [1, d].
    """
    import torch
    from botorch import fit_gpytorch_mll
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model = SingleTaskGP(points, values)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    n_sides = points.shape[1]
    proposed, _ = optimize_acqf(
        qLogNoisyExpectedImprovement(model, X_baseline=points),
        bounds=torch.stack([torch.zeros(n_sides), torch.ones(n_sides)]).double(),
        q=1,
        num_restarts=N_RESTARTS,
        raw_samples=N_RAW,
    )
    return proposed
