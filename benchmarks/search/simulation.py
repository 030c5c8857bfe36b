"""Searches whose trials cost nothing: the losses of a setting come from a model."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.search import plan
from benchmarks.search.peers import ALL, missing
from benchmarks.search.policies import Entry, Policy
from benchmarks.search.regret import Regret, read_regrets
from benchmarks.search.studies import Lines, Study, StudyKey, Trial, choose
from benchmarks.search.training import end_of
from pipeline.config import StudyConfig, derive_seed
from pipeline.trial import Assignment, TrialRow, TrialState

Floats = npt.NDArray[np.float64]
Losses = Callable[[Assignment], Sequence[float]]
"""The validation losses of a trial that is trained for all of its epochs."""
AT_MOST: Final = 8
"""A study that ends trials early may have so many times the whole trials of its epochs."""


class Noise(NamedTuple):
    """How far a training lies from its setting's curve, as standard deviations of the log loss.

    Attributes:
        offset: Of a trial's whole curve.
        jitter: Of each epoch.
    """

    offset: float
    jitter: float


class Reference(NamedTuple):
    """What regret is measured by.

    Attributes:
        best: The lowest known noiseless loss.
        median: Of random settings.
    """

    best: float
    median: float

    def regret(self, loss: float) -> float:
        """Scale a loss: 0 the best, 1 the median."""
        return (loss - self.best) / (self.median - self.best)


class Problem(Protocol):
    """Tasks of one space, each with a noiseless curve for every setting."""

    @property
    def epochs(self) -> int:
        """Of a whole trial."""

    @property
    def budgets(self) -> Sequence[int]:
        """Epochs after which a study is asked for its choice."""

    def study(self, search: Mapping[str, Any]) -> StudyConfig:
        """The study file of a search."""

    def curve(self, task: str, params: Mapping[str, Any]) -> Floats:
        """The validation losses of a setting, without noise."""

    def loss(self, task: str, params: Mapping[str, Any]) -> float:
        """What a setting is worth as the choice of a study, without noise."""

    def reference(self, task: str) -> Reference:
        """The best and the median loss of a task."""


def simulate(
    key: StudyKey, study: StudyConfig, policy: Policy, losses: Losses, *, budget: int
) -> Study:
    """Run a policy until its trials have used so many epochs.

    A policy that pauses trials asks for one again with more epochs; only the new epochs count, and
    the trial stands in the study once for each time that it was asked for.

    Args:
        key: What the study is called in the results.
        study: Says how many epochs a whole trial has.
        policy: Just begun.
        losses: Gives a trial's losses.
        budget: Epochs.
    """
    simulation = Simulation(study, policy, losses)
    while simulation.spent < budget and simulation.advance():
        pass
    seconds = {"sampling": round(simulation.sampling, 3)}
    return Study(**key._asdict(), budget=budget, trials=simulation.trials, seconds=seconds)


class Simulation:
    """A study in progress.

    Attributes:
        trials: As they were asked for.
        spent: Epochs.
        sampling: Seconds in the policy.
    """

    def __init__(self, study: StudyConfig, policy: Policy, losses: Losses) -> None:
        self._study, self._policy, self._losses = study, policy, losses
        self._trained: dict[int, int] = {}
        self.trials: list[Trial] = []
        self.spent, self.sampling = 0, 0.0

    def advance(self) -> bool:
        """Ask for trials and train them; false where there are no more."""
        began = time.perf_counter()
        assignments = self._policy.ask()
        self.sampling += time.perf_counter() - began
        for assignment in assignments:
            row = end_of(assignment, self._losses(assignment))
            assert row is not None, "a model gives the losses of every epoch"
            self._take(assignment, row)
        return bool(assignments)

    def _take(self, assignment: Assignment, row: TrialRow) -> None:
        n_epochs = len(row.scores)
        is_short = n_epochs == assignment.epochs < self._study.training.most_epochs
        state = TrialState.PRUNED if is_short or row.state is TrialState.RUNNING else row.state
        n_new = max(n_epochs - self._trained.get(row.number, 0), 0)
        self._trained[row.number] = n_epochs
        self.spent += n_new
        lowest = row.best_score
        trial = Trial(params=dict(row.params), epochs=n_new, lowest=lowest, state=state.name)
        self.trials.append(trial)
        began = time.perf_counter()
        self._policy.tell(row)
        self.sampling += time.perf_counter() - began


def noisy(curve: Floats, noise: Noise, assignment: Assignment) -> list[float]:
    """Add a trial's noise to a curve; the same trial of the same study has the same noise."""
    config = assignment.config
    random = np.random.default_rng(derive_seed(config.study_seed, config.number, "noise"))
    log_noise = noise.offset * random.normal() + noise.jitter * random.normal(size=len(curve))
    return list((curve * np.exp(log_noise)).tolist())


def run(problem: Problem, key: StudyKey, noise: Noise, entry: Entry | None = None) -> Study:
    """Run one study.

    Args:
        problem: Where the losses come from.
        key: What the study is called in the results.
        noise: Of the losses.
        entry: The policy, where it is none of ``ALL``.
    """
    entry, budget = entry or ALL[key.policy], max(problem.budgets)
    n_whole = -(-budget // problem.epochs)
    at_most = 1 if entry.is_whole else AT_MOST
    seed = derive_seed(key.seed, key.space)  # one for all tasks would draw the same settings
    search = {"trials": at_most * n_whole, "seed": seed, **entry.search}
    study = problem.study(search)

    def losses(assignment: Assignment) -> list[float]:
        return noisy(problem.curve(key.space, assignment.config.params), noise, assignment)

    return simulate(key, study, entry.make(study), losses, budget=budget)


def regret_of(problem: Problem, study: Study) -> Regret:
    """What a study's choices are worth: their noiseless losses, as regrets."""
    reference, regrets = problem.reference(study.space), []
    for budget in problem.budgets:
        params = choose(study, budget)
        lost = None if params is None else problem.loss(study.space, params)
        regrets.append(1.0 if lost is None else reference.regret(lost))
    return Regret.of(study, regrets)


def regrets_of(
    problem: Problem, tasks: Sequence[str], options: argparse.Namespace
) -> Iterator[Regret]:
    """Run every study that the file of results does not have, policy by policy."""
    noise = Noise(options.offset, options.jitter)
    for policy in options.policies:
        if reason := missing(policy):
            print(f"{policy} is left out: {reason}", file=sys.stderr)
            continue
        keys = [StudyKey(policy, task, seed) for seed, task in product(options.seeds, tasks)]
        yield from measured(
            keys, lambda key: regret_of(problem, run(problem, key, noise)), options.out
        )


def measured(
    keys: Iterable[StudyKey], measure: Callable[[StudyKey], Regret], out: Path | None
) -> Iterator[Regret]:
    """Measure what a file of results does not have, and add it there."""
    known = read_regrets(out) if out else {}
    for key in keys:
        if key not in known:
            known[key] = measure(key)
            if out:
                Lines(out).append(known[key]._asdict())
        yield known[key]


def add_options(parser: argparse.ArgumentParser, *, seeds: Sequence[int], noise: Noise) -> None:
    """Add the options that every simulated search has."""
    add = parser.add_argument
    add("--policies", nargs="+", choices=ALL, default=[plan.OURS, *plan.SIMULATED_PEERS])
    add("--seeds", nargs="+", type=int, default=list(seeds), metavar="N")
    add("--offset", type=float, default=noise.offset, metavar="SD", help="noise of a trial")
    add("--jitter", type=float, default=noise.jitter, metavar="SD", help="noise of an epoch")
    add("--out", type=Path, metavar="FILE", help="of JSON lines; what it has is not run again")
