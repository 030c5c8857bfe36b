"""Ten studies planned and then run: ``python -m benchmarks.plan`` (about eight minutes).

Prints a Markdown table of the predicted seconds beside the real ones. The constants of
``pipeline/search/duration.py`` were not chosen on ``--others 2``. Anything else that uses the
machine makes the figures wrong, so the load is printed with them.

Options: ``--only NAME …`` runs some of them, ``--json`` prints JSON. ``--others 1`` takes ten
others: longer searches of fewer epochs with another seed, with two workers instead of one and the
reverse; ``--others 2``: shorter searches of more epochs with a third seed.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from benchmarks.machine import describe_machine

RATE = {"low": 1e-3, "high": 1e-2, "log": True}
MODULE = """
import torch
from pytorch_lightning import LightningModule
from torch import nn
from torch.nn.functional import cross_entropy


class Own(LightningModule):
    def __init__(self, hidden=64, dropout=0.2, learning_rate=1e-3):
        super().__init__()
        self.rate = learning_rate
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 10),
        )

    def training_step(self, batch, batch_idx):
        loss = cross_entropy(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", cross_entropy(self.layers(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.rate)
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A study, and with how many workers it runs."""

    name: str
    n_workers: int
    document: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was predicted of a study, and what it took."""

    study: str
    workers: int
    low: float
    high: float
    real: float
    plan_seconds: float
    load: float

    @property
    def is_inside(self) -> bool:
        """Whether the real time lies in the interval."""
        return self.low <= self.real <= self.high


def _dense(**more: Any) -> dict[str, Any]:
    space = {"depth": {"low": 1, "high": 2}, "dropout": {"low": 0.0, "high": 0.5}}
    space |= {"width": {"choices": [64, 128, 256]}, "batch_size": {"choices": [32, 64, 128]}}
    return space | {"learning_rate": RATE} | more


def _case(name: str, n_workers: int, *, data: Any, model: str = "mlp", **sections: Any) -> Case:
    given = {"name": model} if "." not in model else {"class_path": model}
    document = {"name": name, "data": data, "model": given} | sections
    return Case(name=name, n_workers=n_workers, document=document)


def cases(folder: Path) -> Iterator[Case]:
    """The ten studies.

    Args:
        folder: Where their data and their module are made.
    """
    digits, mnist = {"name": "digits"}, {"name": "mnist-5k"}
    convolutions: dict[str, Any] = {
        "blocks": 1,
        "filters": {"choices": [4, 8]},
        "depth": 1,
        "width": 32,
    }
    convolutions |= {"block_dropout": {"low": 0.0, "high": 0.3}, "depth": 1, "width": 32}
    yield _case(
        "digits-mlp-halving",
        2,
        data=digits,
        space=_dense(),
        training={"epochs": 40, "early_stopping": {"patience": 6}},
        search={"trials": 56},
    )
    yield _case(
        "mnist-mlp-none",
        2,
        data=mnist,
        space=_dense(depth={"low": 1, "high": 3}),
        training={"epochs": 10},
        search={"trials": 24, "stopping": "none"},
    )
    yield _case(
        "mnist-mlp-asha",
        1,
        data=mnist,
        space=_dense(),
        training={"epochs": 16, "early_stopping": {"patience": 4}},
        search={"trials": 32, "stopping": "asha", "sampler": "tpe"},
    )
    yield _case(
        "mnist-cnn-none",
        2,
        data=mnist,
        model="cnn",
        space=_dense(**convolutions),
        training={"epochs": 3},
        search={"trials": 8, "stopping": "none"},
    )
    yield _case(
        "digits-cnn-halving",
        1,
        data=digits,
        model="cnn",
        space=_dense(**convolutions),
        training={"epochs": 16},
        search={"trials": 16},
    )
    yield _case(
        "mnist-autoencoder",
        2,
        data=mnist,
        model="autoencoder",
        space=_dense(depth=1),
        training={"epochs": 12, "early_stopping": {"patience": 3}},
        search={"trials": 20, "stopping": "asha"},
    )
    yield _case(
        "npz-regression",
        2,
        data=_regression(folder),
        space=_dense(),
        training={"epochs": 30},
        search={"trials": 40, "stopping": "median", "sampler": "random"},
    )
    yield _case(
        "digits-folds",
        1,
        data=digits | {"folds": 3},
        space=_dense(width={"choices": [32, 64]}),
        training={"epochs": 20, "early_stopping": {"patience": 4}},
        search={"trials": 24, "stopping": "none"},
    )
    (folder / "own_module.py").write_text(MODULE, encoding="utf-8")
    yield _case(
        "own-module",
        2,
        data=digits,
        model="own_module.Own",
        space={
            "hidden": {"choices": [32, 64, 128]},
            "dropout": {"low": 0.0, "high": 0.5},
            "learning_rate": RATE,
            "batch_size": {"choices": [32, 64]},
        },
        training={"epochs": 16, "early_stopping": {"patience": 4}},
        search={"trials": 24},
    )
    yield _case(
        "mnist-dropconnect",
        2,
        data=mnist,
        space=_dense(width=128, regularizer="dropconnect"),
        training={"epochs": 8},
        search={"trials": 20},
    )


def another(case: Case, seed: int) -> Case:
    """A study that differs from one of the ten in size and seed, and may in its workers.

    Args:
        case: One of the ten, which have the seed 0.
        seed: 1 or 2.
    """
    training, search = case.document["training"], case.document["search"]
    of_epochs, of_trials = {1: (0.7, 1.4), 2: (1.3, 0.8)}[seed]
    name = f"{case.name}-{seed + 1}"
    document = case.document | {
        "name": name,
        "training": training | {"epochs": round(of_epochs * training["epochs"]) + 1},
        "search": search | {"trials": round(of_trials * search["trials"]), "seed": seed},
    }
    n_workers = 3 - case.n_workers if seed == 1 else case.n_workers
    return Case(name=name, n_workers=n_workers, document=document)


def _regression(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(6_000, 20)).astype(np.float32)
    targets = np.sin(inputs[:, 0]) + inputs[:, 1] * inputs[:, 2] + 0.1 * rng.normal(size=6_000)
    np.savez(folder / "numbers.npz", x_train=inputs, y_train=targets.astype(np.float32))
    return {"name": "npz", "path": str(folder / "numbers.npz"), "validation": 0.25}


def measure(case: Case, folder: Path) -> Measured:
    """Plan a study, then run it.

    Args:
        case: The study.
        folder: Of the study file and the home.
    """
    file = folder / f"{case.name}.yaml"
    file.write_text(yaml.safe_dump(case.document, sort_keys=False), encoding="utf-8")
    load, _, _ = os.getloadavg()
    where = ["--workers", str(case.n_workers), "--home", str(folder / "home")]
    plan = _answer("plan", file, where)
    run = _answer("run", file, where)
    low, high = plan["predicted_seconds"]
    return Measured(
        study=case.name,
        workers=case.n_workers,
        low=low,
        high=high,
        real=run["seconds"]["total"],
        plan_seconds=plan["plan_seconds"],
        load=load,
    )


def _answer(command: str, file: Path, where: Sequence[str]) -> dict[str, Any]:
    words = [sys.executable, "-m", "pipeline", command, str(file), "--json", *where]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"{command} {file.name} ended with {done.returncode}:\n{done.stderr}{done.stdout}"
        raise RuntimeError(message)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def rows(found: Sequence[Measured]) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| study | workers | predicted, seconds | real | inside | high / low | load before |"
    yield "|---|---|---|---|---|---|---|"
    for one in found:
        inside = "yes" if one.is_inside else "no"
        yield (
            f"| {one.study} | {one.workers} | {one.low:.0f} to {one.high:.0f} | {one.real:.0f} | "
            f"{inside} | {one.high / one.low:.1f} | {one.load:.1f} |"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", nargs="*", default=())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--others", type=int, choices=(1, 2))
    options = parser.parse_args()
    found: list[Measured] = []
    with TemporaryDirectory(prefix="plan-") as name:
        for first in cases(Path(name)):
            case = another(first, options.others) if options.others else first
            if not options.only or case.name in options.only:
                found.append(measure(case, Path(name)))
                print(found[-1], file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return
    print("\n".join(rows(found)))
    n_inside = sum(one.is_inside for one in found)
    print(f"\n{n_inside} of {len(found)} inside; {describe_machine()}")


if __name__ == "__main__":
    main()
