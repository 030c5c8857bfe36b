"""Warm starts on models of tables: what an earlier study's outcomes are worth to a new one.

A study of each table begins with nothing (``auto``), or with a study of as many epochs and another
seed: of the table before it in the list (``other``), of the same table (``same``), or of the same
with its values in reverse order, which misleads (``reversed``). With ``--lcbench`` the tables are
those of ``benchmarks.search.lcbench``, else the two splits of ``benchmarks.search.surrogate``;
regret is as it is there.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Final

from benchmarks.search import plan
from benchmarks.search.lcbench import EPOCHS, Surrogate, tasks_of
from benchmarks.search.policies import BlocksPolicy, Entry, Policy
from benchmarks.search.regret import Regret, by_seed, by_task, print_tables
from benchmarks.search.simulation import Noise, Problem, measured, regret_of, run
from benchmarks.search.studies import StudyKey
from benchmarks.search.surrogate import NOISE, TASKS, OwnTable
from pipeline.config import StudyConfig
from pipeline.search.warm_start import take_outcomes
from pipeline.trial import WarmStart

SOURCES: Final = (plan.OURS, "other", "same", "reversed")


class Short(Surrogate):
    """The tables, with the budgets at which warm starts are compared."""

    @property
    def budgets(self) -> Sequence[int]:
        """Epochs after which a study is asked for its choice."""
        return [EPOCHS * n_trials for n_trials in plan.WARM_BUDGETS]


class Begun:
    """A study that begins with an earlier one's outcomes.

    Args:
        problem: Where the losses come from.
        tasks: In the order in which one is before the other.
        noise: Of the losses.
    """

    def __init__(self, problem: Problem, tasks: Sequence[str], noise: Noise) -> None:
        self._problem, self.tasks, self._noise = problem, tasks, noise

    def regret(self, key: StudyKey) -> Regret:
        """Run both studies; the key's policy says which study is the earlier one."""

        def make(study: StudyConfig) -> Policy:
            return BlocksPolicy(study, self._warm_start(study, key))

        entry = Entry(make=make)
        return regret_of(self._problem, run(self._problem, key, self._noise, entry))

    def _warm_start(self, study: StudyConfig, key: StudyKey) -> WarmStart | None:
        if key.policy == plan.OURS:
            return None
        before = self.tasks[self.tasks.index(key.space) - 1]
        task = before if key.policy == "other" else key.space
        policies: list[BlocksPolicy] = []

        def make(earlier: StudyConfig) -> Policy:
            policies.append(BlocksPolicy(earlier))
            return policies[0]

        of_earlier = StudyKey(key.policy, task, key.seed + plan.EARLIER_SEED)
        run(self._problem, of_earlier, self._noise, Entry(make=make))
        rows = sorted(policies[0].ended, key=lambda row: row.number)
        taken = WarmStart(study=task, outcomes=take_outcomes(study, rows))
        return in_reverse(taken) if key.policy == "reversed" else taken


def in_reverse(taken: WarmStart) -> WarmStart:
    """Give the best setting the value of the worst, the second best that of the second worst."""
    ascending = sorted(taken.outcomes, key=lambda outcome: outcome.value)
    turned = [
        one.model_copy(update={"value": other.value})
        for one, other in zip(ascending, reversed(ascending), strict=True)
    ]
    return taken.model_copy(update={"outcomes": tuple(turned)})


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.warm", description=__doc__)
    add = parser.add_argument
    add("--lcbench", type=Path, metavar="FOLDER", help="with the surrogate's files")
    add("--part", choices=("develop", "decide", "all"), default="develop", help="of the tables")
    add("--sources", nargs="+", choices=SOURCES, default=SOURCES, help="earlier studies")
    add("--seeds", nargs="+", type=int, default=plan.LCBENCH_SEEDS, metavar="N")
    add("--out", type=Path, metavar="FILE", help="of JSON lines; what it has is not run again")
    return parser


def begun(options: argparse.Namespace) -> tuple[Begun, Sequence[str]]:
    """The problem that the options name, and the labels of its budgets."""
    if options.lcbench is None:
        return Begun(OwnTable.read(), TASKS, NOISE), [f"{n} epochs" for n in plan.TABLE_BUDGETS]
    surrogate = Short(options.lcbench)
    tasks = tasks_of(options.part, surrogate.tasks)
    return Begun(surrogate, tasks, Noise(0.0, 0.0)), [f"{n} trials" for n in plan.WARM_BUDGETS]


def main(words: Sequence[str]) -> int:
    """Run what is missing, and print mean regrets."""
    options = parser().parse_args(words)
    studies, labels = begun(options)
    keys = [StudyKey(*key) for key in product(options.sources, studies.tasks, options.seeds)]
    regrets = list(measured(keys, studies.regret, options.out))
    print_tables(regrets, labels, pair=by_task if options.lcbench else by_seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
