"""Search LCBench's surrogate: learning curves of funnel-shaped MLPs with dropout on 34 tables.

Regret 0 is the best known setting of a table, regret 1 the median of random settings; what counts
is the noiseless loss of the setting that a policy would choose. Needs the surrogate's files
(``model.onnx``, ``encoding.json``, ``config_space.json`` of slds-lmu/yahpo_data) and onnxruntime.
LCBench: https://arxiv.org/abs/2006.13799; the surrogate: https://arxiv.org/abs/2109.03670
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.search import plan
from benchmarks.search.regret import by_task, print_tables
from benchmarks.search.simulation import Floats, Noise, Reference, add_options, regrets_of
from pipeline.config import StudyConfig

EPOCHS: Final = 51
"""The surrogate's epoch 1 is the untrained network, so that a curve is its epochs 2 to 52."""
LOSS: Final = 2
"""The surrogate's output that is the validation cross-entropy."""
PARAMETERS: Final = (
    *("batch_size", "learning_rate", "momentum", "weight_decay"),
    *("num_layers", "max_units", "max_dropout"),
)
"""In the order in which the surrogate takes them, after the epoch."""
REFERENCES: Final = Path(__file__).with_name("lcbench.json")
AT_ONCE: Final = 200
"""Settings whose curves are computed together: their layers' values take 200 MB."""
PRACTICE: Final = {
    "batch_size": 128,
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "num_layers": 3,
    "max_units": 512,
    "max_dropout": 0.5,
}
"""What a practitioner would try first, written down before any search began with it."""
N_RANDOM: Final = 4_000
"""Random settings of which the median is regret 1."""

Params = Mapping[str, Any]


class Surrogate:
    """The model of all tables.

    Args:
        folder: With its three files.
        first: A setting that every study begins with.

    Raises:
        ImportError: There is no onnxruntime.
        OSError: A file is missing.
    """

    def __init__(self, folder: Path, first: Params | None = None) -> None:
        import onnxruntime

        self._trials = [] if first is None else [first]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(folder / "model.onnx")
        self._session: Any = onnxruntime.InferenceSession(path, options)
        self._codes = _read(folder / "encoding.json")["OpenML_task_id"]
        space = _read(folder / "config_space.json")["hyperparameters"]
        self._ranges = {one["name"]: one for one in space}

    @property
    def tasks(self) -> list[str]:
        """The tables, in the file's order."""
        return list(self._ranges["OpenML_task_id"]["choices"])

    @cached_property
    def space(self) -> dict[str, Any]:
        """A study file's space."""
        return {
            name: {
                "low": self._ranges[name]["lower"],
                "high": self._ranges[name]["upper"],
                "log": self._ranges[name]["log"],
            }
            for name in PARAMETERS
        }

    def curves(self, task: str, settings: Floats) -> Floats:
        """Validation losses [n, 51] of settings [n, 7], the columns as in ``PARAMETERS``."""
        parts = [settings[begin : begin + AT_ONCE] for begin in range(0, len(settings), AT_ONCE)]
        return np.concatenate([self._curves(task, part) for part in parts])

    def _curves(self, task: str, settings: Floats) -> Floats:
        n = len(settings)
        inputs = np.empty((n, EPOCHS, 1 + len(PARAMETERS)), np.float32)
        inputs[:, :, 0] = np.arange(2, EPOCHS + 2)
        inputs[:, :, 1:] = settings[:, None]
        codes = np.full((n * EPOCHS, 1), self._codes[task], np.int32)
        fed = {"x_cat": codes, "x_cont": inputs.reshape(n * EPOCHS, -1)}
        outputs = self._session.run(None, fed)[0]
        return np.asarray(outputs[:, LOSS].reshape(n, EPOCHS), np.float64)

    @property
    def epochs(self) -> int:
        """Of a whole trial."""
        return EPOCHS

    @property
    def budgets(self) -> Sequence[int]:
        """Epochs after which a study is asked for its choice."""
        return [EPOCHS * n_trials for n_trials in plan.LCBENCH_BUDGETS]

    def study(self, search: Mapping[str, Any]) -> StudyConfig:
        """The study file of a search; its data and its model are names alone."""
        return StudyConfig.model_validate(
            {
                "name": "lcbench",
                "data": {"name": "digits"},
                "model": {"class_path": "lcbench.Network"},
                "space": self.space,
                "training": {"epochs": EPOCHS},
                "search": dict(search),
                "trials": self._trials,
            }
        )

    def loss(self, task: str, params: Params) -> float:
        """The lowest loss of a setting."""
        return float(self.curve(task, params).min())

    def reference(self, task: str) -> Reference:
        """The best and the median loss of a table, as ``--references`` found them."""
        return self._references[task]

    @cached_property
    def _references(self) -> dict[str, Reference]:
        return {task: Reference(*known) for task, known in _read(REFERENCES).items()}

    def curve(self, task: str, params: Params) -> Floats:
        """Validation losses [51] of one setting."""
        setting = np.array([[params[name] for name in PARAMETERS]], np.float64)
        curve: Floats = self.curves(task, setting)[0]
        return curve

    def settings(self, points: Floats) -> Floats:
        """Settings [n, 7] at points of the unit cube."""
        columns = []
        for values, name in zip(points.T, PARAMETERS, strict=True):
            domain = self._ranges[name]
            low, high = domain["lower"], domain["upper"]
            column = low * (high / low) ** values if domain["log"] else low + values * (high - low)
            columns.append(np.rint(column) if domain["type"] == "uniform_int" else column)
        return np.stack(columns, axis=1)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def find_reference(surrogate: Surrogate, task: str) -> Reference:
    """Search a table thoroughly: random settings, then neighbours of the best ones."""
    random = np.random.default_rng(1)
    points = random.random((N_RANDOM, len(PARAMETERS)))
    lowest = surrogate.curves(task, surrogate.settings(points)).min(1)
    median = float(np.median(lowest))
    for _ in range(20):
        order = np.argsort(lowest)[:10]
        best, lowest = points[order], lowest[order]
        steps = random.normal(0, 1, (300, len(PARAMETERS))) * 10 ** random.uniform(
            -2, -0.7, (300, 1)
        )
        steps *= random.random(steps.shape) < 0.5  # noqa: PLR2004 - half of the parameters
        near = np.clip(best.repeat(30, axis=0) + steps, 0, 1)
        points = np.vstack([best, near])
        lowest = np.append(lowest, surrogate.curves(task, surrogate.settings(near)).min(1))
    return Reference(best=round(float(lowest.min()), 6), median=round(median, 6))


def tasks_of(part: str, tasks: Sequence[str]) -> Sequence[str]:
    """The tables for development, at even places of the file's list, or those that decide."""
    return {"develop": tasks[0::2], "decide": tasks[1::2], "all": tasks}[part]


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.lcbench", description=__doc__
    )
    add = parser.add_argument
    add("--lcbench", type=Path, required=True, metavar="FOLDER", help="with the surrogate's files")
    add("--part", choices=("develop", "decide", "all"), default="develop", help="of the tables")
    first = "begin each study with a setting of practice; its results want an --out of their own"
    add("--first", action="store_true", help=first)
    add("--references", action="store_true", help="find the tables' references again, and end")
    add_options(parser, seeds=plan.LCBENCH_SEEDS, noise=Noise(0.0, 0.0))
    return parser


def main(words: Sequence[str]) -> int:
    """Run what is missing, and print mean regrets."""
    options = parser().parse_args(words)
    surrogate = Surrogate(options.lcbench, PRACTICE if options.first else None)
    if options.references:
        found = {task: find_reference(surrogate, task) for task in surrogate.tasks}
        REFERENCES.write_text(json.dumps(found) + "\n", encoding="utf-8")
        return 0
    tasks = tasks_of(options.part, surrogate.tasks)
    regrets = list(regrets_of(surrogate, tasks, options))
    labels = [f"{budget} trials" for budget in plan.LCBENCH_BUDGETS]
    print_tables(regrets, labels, pair=by_task)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
