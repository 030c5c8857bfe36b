"""Search a model of this project's own table: the demo's space on two splits of mnist-5k.

A study searches the losses of one split and its choice is judged by the other one's, without
noise: regret 0 is the best known setting there, regret 1 the median of random ones. ``--fit`` fits
the model anew and says how well it predicts settings that it has not seen.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from benchmarks.search import plan
from benchmarks.search.cube import Cube
from benchmarks.search.regret import by_seed, print_tables
from benchmarks.search.simulation import Floats, Noise, Reference, add_options, regrets_of
from benchmarks.search.spaces import LIVE
from benchmarks.search.table import EPOCHS, SEEDS, Table
from benchmarks.search.table import FILE as TABLE
from pipeline.config import StudyConfig
from pipeline.search.sampling.surrogate import matern, squared_distances

FILE: Final = Path(__file__).with_name("surrogate.npz")
SPACE: Final = LIVE["mnist-5k-mlp"]
DATA: Final = {"name": "mnist-5k", "validation": 0.2}
N_COMPONENTS: Final = 3
"""Principal components of a split's curves of log losses; in further ones there is noise alone."""
NOISE: Final = Noise(offset=0.025, jitter=0.066)
"""Of the table's repeats (``--fit`` prints them): what another seed changes on one split."""
ABSENT: Final = 0.5
"""Where a layer lies that a setting does not have: in the middle of its side."""
N_RANDOM: Final = 4_000
N_FOLDS: Final = 5


def study_of(search: Mapping[str, Any]) -> StudyConfig:
    """The study file of a search: the demo's without its fixed trial."""
    return SPACE.study(DATA, **search)


CUBE: Final = Cube(study_of({"trials": 1}))


def point_of(params: Mapping[str, Any]) -> Floats:
    """Where a setting lies in the unit cube, all layers included."""
    return CUBE.point(params, absent=ABSENT)


@dataclass(frozen=True, kw_only=True)
class CurveModel:
    """Curves of log losses over a cube: a Gaussian process for each principal component.

    Attributes:
        points: float64 [n, d] that it was fitted to.
        mean: Of the curves, float64 [epochs].
        components: float64 [q, epochs].
        offsets: Of the processes, float64 [q].
        scales: Lengths of their Matérn kernels, float64 [q, d].
        weights: Of the points, the kernels' amplitudes included, float64 [q, n].
    """

    points: Floats
    mean: Floats
    components: Floats
    offsets: Floats
    scales: Floats
    weights: Floats

    @classmethod
    def fit(cls, points: Floats, curves: Floats) -> Self:
        """Fit curves of log losses [n, epochs] at points [n, d]."""
        mean = curves.mean(axis=0)
        components = np.linalg.svd(curves - mean, full_matrices=False)[2][:N_COMPONENTS]
        fitted = [_fit(points, scores) for scores in ((curves - mean) @ components.T).T]
        offsets, scales, weights = (np.array(part) for part in zip(*fitted, strict=True))
        return cls(
            points=points,
            mean=mean,
            components=components,
            offsets=offsets,
            scales=scales,
            weights=weights,
        )

    def predict(self, points: Floats) -> Floats:
        """Losses [m, epochs] at points [m, d]."""
        scores = [
            offset + matern(squared_distances(points / scales, self.points / scales)) @ weights
            for offset, scales, weights in zip(self.offsets, self.scales, self.weights, strict=True)
        ]
        curves: Floats = np.exp(self.mean + np.stack(scores, axis=1) @ self.components)
        return curves


def _fit(points: Floats, values: Floats) -> tuple[float, Floats, Floats]:
    """Fit one process; the kernel's lengths and its noise are those of the largest likelihood."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    matern = Matern(np.ones(points.shape[1]), (0.05, 50.0), nu=2.5)
    kernel = ConstantKernel(1.0) * matern + WhiteKernel(0.05, (1e-5, 1.0))
    with warnings.catch_warnings():
        # A length at its upper bound: the parameter does not matter for the component.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process = GaussianProcessRegressor(kernel, normalize_y=True).fit(points, values)
    smooth = process.kernel_.k1
    weights = values.std() * smooth.k1.constant_value * process.alpha_
    return float(values.mean()), smooth.k2.length_scale, weights


class OwnTable:
    """The problem: one task a split.

    Args:
        models: Of each split.
        references: What the choices on each split are judged by: of the other one's model.
    """

    def __init__(
        self, models: Mapping[str, CurveModel], references: Mapping[str, Reference]
    ) -> None:
        self._models, self._references = models, references

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read what ``write`` wrote."""
        with np.load(path) as file:
            parts = {name: file[name].astype(np.float64) for name in file}
        names = CurveModel.__dataclass_fields__
        return cls(
            {
                task: CurveModel(**{name: parts[f"{task}_{name}"] for name in names})
                for task in TASKS
            },
            {task: Reference(*parts[f"{task}_reference"].tolist()) for task in TASKS},
        )

    def write(self, path: Path = FILE) -> None:
        """Write the models and the references of both splits."""
        parts = {
            f"{task}_{name}": part.astype(np.float32)
            for task, model in self._models.items()
            for name, part in vars(model).items()
        }
        for task, reference in self._references.items():
            parts[f"{task}_reference"] = np.array(reference, dtype=np.float32)
        np.savez_compressed(path, **parts)

    @property
    def epochs(self) -> int:
        """Of a whole trial."""
        return EPOCHS

    @property
    def budgets(self) -> Sequence[int]:
        """Epochs after which a study is asked for its choice."""
        return plan.TABLE_BUDGETS

    def study(self, search: Mapping[str, Any]) -> StudyConfig:
        """The study file of a search."""
        return study_of(search)

    def curve(self, task: str, params: Mapping[str, Any]) -> Floats:
        """The losses of a setting on the split that is searched."""
        curve: Floats = self._models[task].predict(point_of(params)[None])[0]
        return curve

    def loss(self, task: str, params: Mapping[str, Any]) -> float:
        """The lowest loss of a setting on the other split."""
        return float(self._models[other(task)].predict(point_of(params)[None]).min())

    def reference(self, task: str) -> Reference:
        """The best known loss and that of the median random setting on the other split."""
        return self._references[task]


TASKS: Final = tuple(f"split-{seed}" for seed in SEEDS)


def other(task: str) -> str:
    """The split that a search of this one is judged on."""
    return TASKS[1 - TASKS.index(task)]


def find_reference(model: CurveModel) -> Reference:
    """Look at random settings, then at neighbours of the best ones."""
    random = np.random.default_rng(1)
    points = canonical(random.random((N_RANDOM, CUBE.n_sides)))
    lowest = model.predict(points).min(axis=1)
    median = float(np.median(lowest))
    for _ in range(12):
        best = points[np.argsort(lowest)[:10]]
        steps = random.normal(0, 0.1, (500, CUBE.n_sides))
        steps *= random.random(steps.shape) < 0.5  # noqa: PLR2004 - half of the parameters
        points = canonical(np.vstack([best, np.clip(best.repeat(50, axis=0) + steps, 0, 1)]))
        lowest = model.predict(points).min(axis=1)
    return Reference(best=float(lowest.min()), median=median)


def canonical(points: Floats) -> Floats:
    """Put points where settings lie: on whole numbers and choices, absent layers in the middle."""
    space = study_of({"trials": 1}).space
    settings = [CUBE.params(point) for point in points]
    return np.array([point_of({name: one[name] for name in space.active(one)}) for one in settings])


def figures(table: Table) -> Iterator[str]:
    """How well settings that the model has not seen are predicted, and what noise there is."""
    from sklearn.model_selection import KFold

    points = np.array([point_of(params) for params in table.settings])
    truth = np.log(table.losses[:, :, 0])
    predicted = np.empty_like(truth)
    for train, test in KFold(N_FOLDS, shuffle=True, random_state=0).split(points):
        for split in range(len(SEEDS)):
            model = CurveModel.fit(points[train], truth[train, split])
            predicted[test, split] = np.log(model.predict(points[test]))
    lowest, expected = truth.min(axis=-1), predicted.min(axis=-1)
    yield f"{len(points)} settings, {N_FOLDS} folds; of the lowest log loss:"
    for split, task in enumerate(TASKS):
        yield f"{task} by its own model: {_agreement(lowest[:, split], expected[:, split])}"
    yield f"mean of both by both models: {_agreement(lowest.mean(1), expected.mean(1))}"
    yield f"{TASKS[0]} by the training on {TASKS[1]}: {_agreement(*lowest.T)}"
    noise = noise_of(table)
    yield f"noise of another seed: offset {noise.offset:.3f}, jitter of an epoch {noise.jitter:.3f}"


def _agreement(truth: Floats, predicted: Floats) -> str:
    from scipy.stats import spearmanr

    best = predicted <= np.quantile(predicted, 0.25)
    parts = [("all", np.ones_like(best)), ("predicted best quarter", best)]
    return "; ".join(
        f"{name} R2 {_r2(truth[rows], predicted[rows]):.3f}, "
        f"rank correlation {spearmanr(truth[rows], predicted[rows])[0]:.3f}"
        for name, rows in parts
    )


def _r2(truth: Floats, predicted: Floats) -> float:
    """The share of the variance that is predicted; a constant bias does not count."""
    return float(1 - (truth - predicted).var() / truth.var())


def noise_of(table: Table) -> Noise:
    """The spread of repeats: of their means, and of each epoch about them."""
    curves = np.log(table.repeats)
    gaps = curves - curves.mean(axis=1, keepdims=True)
    n_free = curves.shape[0] * (curves.shape[1] - 1)
    offsets = gaps.mean(axis=2)
    jitter = gaps - offsets[:, :, None]
    return Noise(
        offset=float(np.sqrt((offsets**2).sum() / n_free)),
        jitter=float(np.sqrt((jitter**2).sum() / n_free / curves.shape[2])),
    )


def fit(table: Table) -> OwnTable:
    """Fit a model to each split."""
    points = np.array([point_of(params) for params in table.settings])
    curves = np.log(table.losses[:, :, 0])
    models = {task: CurveModel.fit(points, curves[:, split]) for split, task in enumerate(TASKS)}
    return OwnTable(models, {task: find_reference(models[other(task)]) for task in TASKS})


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.surrogate", description=__doc__
    )
    parser.add_argument("--fit", action="store_true", help="fit the model anew, and end")
    add_options(parser, seeds=plan.TABLE_SEEDS, noise=NOISE)
    return parser


def main(words: Sequence[str]) -> int:
    """Run what is missing, and print mean regrets."""
    options = parser().parse_args(words)
    if options.fit:
        table = Table.read(TABLE)
        for line in figures(table):
            print(line)
        fit(table).write()
        return 0
    regrets = list(regrets_of(OwnTable.read(), TASKS, options))
    labels = [f"{budget} epochs" for budget in plan.TABLE_BUDGETS]
    print_tables(regrets, labels, pair=by_seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
