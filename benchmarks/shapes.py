"""What sharing shapes costs and what it buys: best value at equal trials and at equal seconds.

Each search runs in a process of its own on mnist-5k, free and with shapes shared, on the same
seeds. A study with more trials has the same first rows, so one run gives both answers: the best of
the first trials, and the best of those that had ended when the free search ended.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.case import DATA
from benchmarks.machine import describe_run
from benchmarks.race import study_of
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import check_study
from pipeline.trial import EpochScores, TrialOutcome

SEARCHES: Final[dict[str, dict[str, Any]]] = {
    "free, block 8": {"block": 8},
    "8 shapes in 16": {"block": 16, "shapes": 8},
    "4 shapes in 16": {"block": 16, "shapes": 4},
    "2 shapes in 8": {"block": 8, "shapes": 2},
}
FREE: Final = "free, block 8"
FURTHER: Final = 1.5
"""Times the trials of the free search that the others are given."""


@dataclass
class Ends:
    """When each complete trial ended, in seconds after the first epoch's end, and its value."""

    values: dict[int, tuple[float, float]] = field(default_factory=dict)
    began: float | None = None
    seconds: float = 0.0

    def __call__(self, news: EpochScores | TrialOutcome) -> None:
        """Take an epoch or an outcome."""
        self.began = self.began or time.perf_counter()
        self.seconds = time.perf_counter() - self.began
        if isinstance(news, TrialOutcome) and news.value is not None:
            self.values[news.number] = self.seconds, news.value

    def best_of(self, n_trials: int) -> float:
        """The lowest value of the first trials."""
        return min(value for number, (_, value) in self.values.items() if number < n_trials)

    def best_within(self, seconds: float) -> float:
        """The lowest value of what had ended by then."""
        return min(value for ended, value in self.values.values() if ended <= seconds)


def search(study: Mapping[str, Any]) -> Ends:
    """Run a study in a home that is thrown away."""
    ends = Ends()
    with TemporaryDirectory(prefix="bench-") as folder:
        workspace = Workspace(home=Path(folder), tracking_uri=None)
        Study(config=check_study(dict(study), "study"), workspace=workspace).run(watch=ends)
    return ends


def compare(seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Search in every way on one seed."""
    found: dict[str, dict[str, float]] = {}
    allowed = 0.0
    for name in (FREE, *(name for name in options.searches if name != FREE)):
        n_trials = options.trials if name == FREE else int(FURTHER * options.trials)
        study = study_of(options.data, trials=n_trials, epochs=options.epochs, seed=seed)
        study["search"] |= SEARCHES[name] | {"stopping": options.stopping}
        ends = search(study)
        allowed = allowed or ends.seconds
        found[name] = {
            "seconds": max(
                ended for number, (ended, _) in ends.values.items() if number < options.trials
            ),
            "best_of_equal_trials": ends.best_of(options.trials),
            "best_at_equal_seconds": ends.best_within(allowed),
        }
        print(f"seed {seed}, {name}: {found[name]}", file=sys.stderr, flush=True)
    return found


@dataclass(frozen=True)
class Line:
    """One search over all seeds: means, and how much worse than free, with its standard error."""

    search: str
    seconds: float
    equal_trials: float
    equal_trials_worse: tuple[float, float]
    equal_seconds: float
    equal_seconds_worse: tuple[float, float]

    def __str__(self) -> str:
        """A row of a Markdown table."""
        trials, seconds = self.equal_trials_worse, self.equal_seconds_worse
        return (
            f"| {self.search} | {self.seconds:.1f} | {self.equal_trials:.4f} | "
            f"{trials[0]:+.4f} ± {trials[1]:.4f} | {self.equal_seconds:.4f} | "
            f"{seconds[0]:+.4f} ± {seconds[1]:.4f} |"
        )


def summed_up(name: str, seeds: Sequence[Mapping[str, Mapping[str, float]]]) -> Line:
    """Average a search over the seeds, paired with the free search."""

    def worse(key: str) -> tuple[float, float]:
        differences = [seed[name][key] - seed[FREE][key] for seed in seeds]
        error = stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
        return mean(differences), error

    return Line(
        search=name,
        seconds=mean(seed[name]["seconds"] for seed in seeds),
        equal_trials=mean(seed[name]["best_of_equal_trials"] for seed in seeds),
        equal_trials_worse=worse("best_of_equal_trials"),
        equal_seconds=mean(seed[name]["best_at_equal_seconds"] for seed in seeds),
        equal_seconds_worse=worse("best_at_equal_seconds"),
    )


def main(words: Sequence[str]) -> None:
    """Compare, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    add = parser.add_argument
    add("--seeds", type=int, default=10, metavar="N", help="seeds 0 to N - 1")
    add("--data", choices=DATA, default="mnist-5k")
    add("--trials", type=int, default=60, metavar="N")
    add("--epochs", type=int, default=10, metavar="N")
    add("--stopping", default="none", help="the study file's search.stopping")
    add("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    add("--out", type=Path, default=Path(__file__).with_name("shapes.json"))
    options = parser.parse_args(words)
    seeds = [compare(seed, options) for seed in range(options.seeds)]
    lines = [summed_up(name, seeds) for name in seeds[0]]
    print("\n".join(map(str, lines)))
    document = describe_run("benchmarks.shapes", words)
    document |= {"seeds": seeds, "lines": [asdict(line) for line in lines]}
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
