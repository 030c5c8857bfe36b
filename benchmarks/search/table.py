"""Train a table of settings of the demo's space: every epoch, no patience, on two splits.

Some settings are trained on more seeds of one split, to know the noise. What there is is written
after each part, so that a run may be ended at any time.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from benchmarks.search.live import prepare
from benchmarks.search.spaces import LIVE, Folders
from pipeline.app import training
from pipeline.config import TrialConfig
from pipeline.trial import Assignment, Cohort, Event, TrialOutcome

FILE: Final = Path(__file__).with_name("table.npz")
EPOCHS: Final = 20
SEEDS: Final = (9_001, 9_002)
"""Of the two splits; no live study uses them."""
DEPTHS: Final = (1, 2, 3, 4)
SHAPES: Final = tuple(product(DEPTHS, (128, 256, 512), (32, 64, 128, 256)))
"""Depth, width and batch size: settings that share them are trained as one."""
N_TOGETHER: Final = 8
"""Settings of a shape in one round."""
A_ROUND: Final = N_TOGETHER * len(SHAPES)
N_REPEATED: Final = 32
REPEATS: Final = 5
COLUMNS: Final = (
    *("depth", "width", "batch_size", "input_dropout", "learning_rate"),
    *(f"dropout_{layer}" for layer in DEPTHS),
)

Params = Mapping[str, Any]
Floats = npt.NDArray[np.float64]


class Training(NamedTuple):
    """One training: of which setting, on which split, with which seeds."""

    number: int
    seed: int
    repeat: int


def settings(n_rounds: int) -> list[dict[str, Any]]:
    """Settings, round by round and shape by shape; the rates come from one Sobol sequence."""
    points = qmc.Sobol(2 + len(DEPTHS), scramble=True, seed=11).random(4_096)
    found = []
    for a_round, shape, place in product(range(n_rounds), range(len(SHAPES)), range(N_TOGETHER)):
        # Neighbours in the sequence go to different shapes, so that each is covered evenly.
        point = points[(a_round * N_TOGETHER + place) * len(SHAPES) + shape]
        found.append(_setting(SHAPES[shape], point.tolist()))
    return found


def _setting(shape: tuple[int, int, int], point: Sequence[float]) -> dict[str, Any]:
    depth, width, batch_size = shape
    rates = {f"dropout_{layer + 1}": 0.6 * point[2 + layer] for layer in range(depth)}
    return {
        "depth": depth,
        "width": width,
        "batch_size": batch_size,
        "input_dropout": 0.3 * point[0],
        "learning_rate": 10.0 ** (-4 + 2 * point[1]),
        **rates,
    }


def parts(n_rounds: int) -> Iterator[list[list[Training]]]:
    """What is trained, part by part, each a list of cohorts: the repeats after the first round."""
    for a_round in range(n_rounds):
        numbers = range(a_round * A_ROUND, (a_round + 1) * A_ROUND)
        for seed in SEEDS:
            yield [
                [Training(number, seed, 0) for number in numbers[begin : begin + N_TOGETHER]]
                for begin in range(0, A_ROUND, N_TOGETHER)
            ]
        if a_round == 0:
            step = A_ROUND // N_REPEATED
            yield [
                [Training(number, SEEDS[0], repeat) for repeat in range(1, REPEATS + 1)]
                for number in range(step // 2, A_ROUND, step)
            ]


def assignment(training: Training, params: Params) -> Assignment:
    """A setting as this project trains it."""
    config = TrialConfig.model_validate(
        {
            "study": "table",
            "number": training.number,
            "study_seed": training.seed,
            "data": {"name": "mnist-5k", "validation": 0.2},
            "model": {"name": "mlp"},
            "training": {"epochs": EPOCHS, "device": "cpu"},
            "params": {**params, "weight_decay": 0.0},
            "repeat": training.repeat,
        }
    )
    return Assignment(config=config, epochs=EPOCHS)


@dataclass(frozen=True, kw_only=True)
class Table:
    """The table as it was trained.

    Attributes:
        settings: With both splits.
        losses: float64 [settings, splits, 1, epochs]; the third axis is the seeds of all settings.
        repeats: float64 [settings with repeats, seeds, epochs], on the first split.
    """

    settings: Sequence[dict[str, Any]]
    losses: Floats
    repeats: Floats

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read what ``write`` wrote."""
        with np.load(path) as file:
            keys = [Training(*key) for key in file["keys"].tolist()]
            curves = dict(zip(keys, file["losses"].astype(np.float64), strict=True))
            rows = dict(zip(sorted({key.number for key in keys}), file["settings"], strict=True))
        whole = [n for n in rows if all(Training(n, seed, 0) in curves for seed in SEEDS)]
        repeated = [n for n in whole if Training(n, SEEDS[0], REPEATS) in curves]
        seeds = range(REPEATS + 1)
        return cls(
            settings=[_params(rows[n]) for n in whole],
            losses=np.array([[[curves[Training(n, s, 0)]] for s in SEEDS] for n in whole]),
            repeats=np.array([[curves[Training(n, SEEDS[0], r)] for r in seeds] for n in repeated]),
        )


def _params(row: npt.NDArray[np.float32]) -> dict[str, Any]:
    """A setting from its columns; those that are NaN it does not have."""
    there = {
        name: value
        for name, value in zip(COLUMNS, row.tolist(), strict=True)
        if not np.isnan(value)
    }
    return there | {name: int(there[name]) for name in ("depth", "width", "batch_size")}


def write(path: Path, found: Mapping[Training, Sequence[float]], rows: Sequence[Params]) -> None:
    """Write the curves that there are: float32 [trainings, epochs], and their settings."""
    keys = sorted(found)
    numbers = sorted({key.number for key in keys})
    columns = [[rows[number].get(name, np.nan) for name in COLUMNS] for number in numbers]
    np.savez_compressed(
        path,
        names=np.array(COLUMNS),
        settings=np.array(columns, dtype=np.float32),
        keys=np.array(keys, dtype=np.int32),
        losses=np.array([found[key] for key in keys], dtype=np.float32),
    )


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.table", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=1, metavar="N", help=f"of {A_ROUND} settings")
    add("--workers", type=int, default=2, metavar="N")
    add("--work", type=Path, required=True, metavar="FOLDER", help="of decoded data")
    add("--out", type=Path, default=FILE, metavar="FILE")
    return parser


def main(words: Sequence[str]) -> int:
    """Train part after part."""
    options = parser().parse_args(words)
    space = LIVE["mnist-5k-mlp"]
    folders = Folders(data_dir=None, work=options.work)
    data = prepare(space.study(space.rows(folders), trials=1), folders)
    rows = settings(options.rounds)
    found: dict[Training, Sequence[float]] = {}

    def watch(config: TrialConfig, event: Event) -> None:
        if isinstance(event, TrialOutcome) and len(event.scores) == EPOCHS:
            found[Training(config.number, config.study_seed, config.repeat)] = event.scores

    for part in parts(options.rounds):
        cohorts = [
            Cohort(tuple(assignment(one, rows[one.number]) for one in together))
            for together in part
        ]
        training.train(cohorts, data, n_workers=options.workers, watch=watch)
        write(options.out, found, rows)
        print(f"{len(found)} trainings", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
