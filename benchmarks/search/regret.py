"""Regrets of simulated studies: as lines of a file, and compared in pairs."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple, Self

from benchmarks.search import plan
from benchmarks.search.paired import compare_common
from benchmarks.search.report import Table, cell_of, screen
from benchmarks.search.studies import Lines, Study, StudyKey

REFERENCE: Final = "tpe"
"""What every policy is compared with, beside this project's own."""


class Regret(NamedTuple):
    """What a study's choices were worth.

    Attributes:
        task: That was searched.
        regrets: After each of the problem's budgets.
        n_trials: That the study began.
        sampling: Seconds in the search itself.
    """

    policy: str
    task: str
    seed: int
    regrets: Sequence[float]
    n_trials: int
    sampling: float

    @classmethod
    def of(cls, study: Study, regrets: Sequence[float]) -> Self:
        """What is kept of a study."""
        rounded = [round(regret, 6) for regret in regrets]
        n_trials = len({str(sorted(trial.params.items())) for trial in study.trials})
        return cls(*study.key, rounded, n_trials, study.seconds["sampling"])

    @property
    def key(self) -> StudyKey:
        """Which study it is of."""
        return StudyKey(self.policy, self.task, self.seed)


def read_regrets(path: Path) -> dict[StudyKey, Regret]:
    """Read what earlier runs have written."""
    regrets = (Regret(**line) for line in Lines(path))
    return {regret.key: regret for regret in regrets}


Pair = Callable[[Regret], Hashable]
"""What two policies' regrets have in common where they are compared."""


def by_task(regret: Regret) -> Hashable:
    """Compare means over the seeds of a task: tasks differ more than seeds."""
    return regret.task


def by_seed(regret: Regret) -> Hashable:
    """Compare studies of the same seed."""
    return regret.task, regret.seed


def means(regrets: Sequence[Regret], policy: str, index: int, pair: Pair) -> dict[Hashable, float]:
    """A policy's mean regret of each pair.

    Args:
        regrets: Of every policy.
        policy: Whose.
        index: Of the budget.
        pair: What is compared.
    """
    found: dict[Hashable, list[float]] = {}
    for regret in regrets:
        if regret.policy == policy:
            found.setdefault(pair(regret), []).append(regret.regrets[index])
    return {key: fmean(values) for key, values in found.items()}


def print_tables(regrets: Sequence[Regret], labels: Sequence[str], *, pair: Pair) -> None:
    """Print ``tables``."""
    for title, rows in tables(regrets, labels, pair=pair):
        print(f"\n{title}\n\n{screen(rows)}")


def tables(
    regrets: Sequence[Regret], labels: Sequence[str], *, pair: Pair
) -> Iterator[tuple[str, Table]]:
    """Mean regrets, and how each policy differs from two of them.

    Args:
        regrets: Of every policy.
        labels: Of the budgets.
        pair: What is compared.
    """
    there = list(dict.fromkeys(regret.policy for regret in regrets))
    yield "mean regret", _means(regrets, labels, pair)
    for reference in (plan.OURS, REFERENCE):
        if reference in there:
            title = "paired, mean [95 %], p of t-test / Wilcoxon"
            yield title, _against(regrets, labels, pair, reference)


def _means(regrets: Sequence[Regret], labels: Sequence[str], pair: Pair) -> Table:
    rows = [["regret after", *labels, "trials", "ms a suggestion"]]
    for policy in dict.fromkeys(regret.policy for regret in regrets):
        found = [
            fmean(means(regrets, policy, index, pair).values()) for index in range(len(labels))
        ]
        rows.append([policy, *(f"{mean:.4f}" for mean in found), *_pace(regrets, policy)])
    return rows


def _pace(regrets: Sequence[Regret], policy: str) -> tuple[str, str]:
    own = [regret for regret in regrets if regret.policy == policy]
    n_trials = fmean(regret.n_trials for regret in own)
    return f"{n_trials:.0f}", f"{1000 * fmean(one.sampling / one.n_trials for one in own):.1f}"


def _against(regrets: Sequence[Regret], labels: Sequence[str], pair: Pair, reference: str) -> Table:
    rows = [[f"minus {reference}", *labels]]
    for policy in dict.fromkeys(regret.policy for regret in regrets):
        if policy == reference:
            continue
        pairs = [
            compare_common(
                means(regrets, policy, index, pair), means(regrets, reference, index, pair)
            )
            for index in range(len(labels))
        ]
        rows.append([policy, *(cell_of(*one) for one in pairs)])
    return rows
