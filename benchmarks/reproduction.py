"""Can any trial be had again? Trials of three studies, drawn at random, reproduced to the bit.

``python -m benchmarks.reproduction [--trials 100]`` runs three small studies to their end (fused
networks under a stopping rule; a module of one's own, some of whose trials diverge; DropConnect on
three folds), draws trials of every state, and trains each again as ``pipeline reproduce`` does, in
a process of its own. Exit code 1 unless every one is identical.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.machine import describe_run
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import check_study

RATE: Final = {"low": 0.0, "high": 0.6}
STUDIES: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "fused-and-pruned",
        "data": {"name": "mnist-5k"},
        "model": {"name": "mlp"},
        "space": {
            "depth": {"low": 0, "high": 2},
            "width": {"choices": [32, 64]},
            "dropout": RATE | {"per_layer": True},
            "batch_size": {"choices": [64, 128]},
            "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        },
        "training": {"epochs": 6, "early_stopping": {"patience": 2}},
        "search": {"stopping": "asha"},
    },
    {
        "name": "own-and-diverging",
        "data": {"name": "digits"},
        "model": {"class_path": "benchmarks.diverging.Net"},
        "space": {
            "hidden": {"choices": [16, 64]},
            "dropout": RATE,
            "learning_rate": {"choices": [0.01, 0.03, 0.1, 0.3, 1e30]},
        },
        "training": {"epochs": 4},
        "search": {"stopping": "median", "sampler": "random"},
    },
    {
        "name": "folds-and-dropconnect",
        "data": {"name": "digits", "folds": 3},
        "model": {"name": "mlp"},
        "space": {
            "depth": 1,
            "width": {"choices": [16, 32]},
            "regularizer": {"choices": ["dropout", "dropconnect"]},
            "dropout": RATE,
            "batch_size": 64,
            "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        },
        "training": {"epochs": 4},
        "search": {"stopping": "median"},
    },
)


@dataclass(frozen=True)
class Finished:
    """A finished trial to be drawn."""

    study: str
    number: int
    state: str
    run_id: str


@dataclass(frozen=True)
class Answer:
    """What training a trial again came to."""

    study: str
    number: int
    state: str
    verdict: str
    epochs: int
    first_difference: str | None
    seconds: float


def run_studies(home: Path, *, n_trials: int, seed: int) -> Iterator[Finished]:
    """Run the three studies to their end in a home, with so many trials each."""
    for document in STUDIES:
        search = document["search"] | {"trials": n_trials, "seed": seed}
        config = check_study(document | {"search": search}, document["name"])
        result = Study(config=config, workspace=workspace_of(home)).run()
        print(f"{result.study}: {result.counts}", flush=True)
        for row in result.trials:
            assert row.run_id is not None, "a finished trial has its run"
            yield Finished(result.study, row.number, row.state.name, row.run_id)


def train_again(trial: Finished, home: Path) -> Answer:
    """Reproduce a trial from its MLflow record alone."""
    started = time.perf_counter()
    comparison = reproduce(workspace_of(home), trial.run_id).comparison
    return Answer(
        study=trial.study,
        number=trial.number,
        state=trial.state,
        verdict=comparison.verdict.value,
        epochs=comparison.epochs_compared,
        first_difference=comparison.first_difference,
        seconds=round(time.perf_counter() - started, 1),
    )


def workspace_of(home: Path) -> Workspace:
    """The home's own stores, whatever the environment says."""
    return Workspace(home=home, tracking_uri=None)


def measure(n_trials: int, *, seed: int, at_once: int) -> list[Answer]:
    """Run the studies, draw trials and train each again."""
    with TemporaryDirectory(prefix="reproduction-") as folder:
        home = Path(folder)
        finished = list(run_studies(home, n_trials=-(-2 * n_trials // 5), seed=seed))
        drawn = random.Random(seed).sample(finished, n_trials)  # noqa: S311 - no secret is drawn
        with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as drivers:
            answers = drivers.map(train_again, drawn, [home] * n_trials)
            return [told(answer) for answer in answers]


def told(answer: Answer) -> Answer:
    """Print an answer that is not as it should be."""
    if answer.verdict != "identical":
        print(f"{answer.study} {answer.number}: {answer.verdict}: {answer.first_difference}")
    return answer


def summary(answers: Sequence[Answer]) -> Iterator[str]:
    """Count by study and state, and in all."""
    counts = Counter((one.study, one.state, one.verdict) for one in answers)
    for (study, state, verdict), count in sorted(counts.items()):
        yield f"{study:<24}{state:<10}{verdict:<10}{count:>4}"
    verdicts = Counter(one.verdict for one in answers)
    parts = [f"{verdicts[name]} {name}" for name in ("identical", "close", "different")]
    epochs = sum(one.epochs for one in answers)
    yield f"{len(answers)} trials trained again, {epochs} epochs compared: {', '.join(parts)}"


def main(words: Sequence[str]) -> int:
    """Measure, print the counts, write JSON; 1 unless all are identical."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproduction", description=__doc__)
    add = parser.add_argument
    add("--trials", type=int, default=100, metavar="N", help="drawn of 6/5 as many")
    add("--seed", type=int, default=0, help="of the studies and of the draw")
    add("--at-once", type=int, default=2, metavar="N", help="so many trained at the same time")
    add("--json", type=Path, metavar="FILE", help="write all answers there")
    options = parser.parse_args(words)
    started = time.perf_counter()
    answers = measure(options.trials, seed=options.seed, at_once=options.at_once)
    print("\n".join(summary(answers)))
    print(f"{time.perf_counter() - started:.0f} s")
    if options.json:
        document = describe_run("benchmarks.reproduction", words)
        document |= {"answers": [asdict(one) for one in answers]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(any(one.verdict != "identical" for one in answers))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
