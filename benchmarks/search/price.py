"""What a suggestion costs the driver, by how many trials there are: processor milliseconds.

The losses come from the model of this project's own table, so that nothing is trained. The time is
the process's own, which other work on the machine hardly changes.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from benchmarks.search.policies import POLICIES
from benchmarks.search.simulation import noisy
from benchmarks.search.surrogate import NOISE, TASKS, OwnTable
from benchmarks.search.training import end_of

BOUNDS: Final = (0, 20, 60, 256, 500, 1_000)
"""Trial numbers between which the mean is taken."""


def seconds_by_trial(policy: str, n_trials: int) -> list[float]:
    """Search, and note what asking and telling has taken when each trial was asked for, in all."""
    table, entry = OwnTable.read(), POLICIES[policy]
    search = entry.make(table.study({"trials": n_trials, "seed": 0, **entry.search}))
    spent, by_trial = 0.0, [0.0]
    while len(by_trial) <= n_trials:
        began = time.process_time()
        assignments = search.ask()
        spent += time.process_time() - began
        new = sum(one.config.number >= len(by_trial) - 1 for one in assignments)
        last = by_trial[-1]
        by_trial += [last + (spent - last) * (n + 1) / new for n in range(new)]
        rows = [
            end_of(one, noisy(table.curve(TASKS[0], one.config.params), NOISE, one))
            for one in assignments
        ]
        began = time.process_time()
        for row in rows:
            assert row is not None, "the table has the losses of every epoch"
            search.tell(row)
        spent += time.process_time() - began
    return by_trial


def line_of(policy: str, by_trial: Sequence[float]) -> str:
    """The means between the bounds, in milliseconds a trial, and the first 60 in seconds."""
    parts = [
        f"{begin} to {end}: {(by_trial[end] - by_trial[begin]) / (end - begin) * 1_000:.1f}"
        for begin, end in pairwise(BOUNDS)
        if end < len(by_trial)
    ]
    return f"{policy}, milliseconds a trial: {', '.join(parts)}"


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.price", description=__doc__)
    add = parser.add_argument
    add("--policies", nargs="+", choices=POLICIES, default=["auto", "tpe"])
    add("--trials", type=int, default=max(BOUNDS), metavar="N")
    return parser


def main(words: Sequence[str]) -> int:
    """Measure policy after policy."""
    options = parser().parse_args(words)
    for policy in options.policies:
        print(line_of(policy, seconds_by_trial(policy, options.trials)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
