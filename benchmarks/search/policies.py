"""The searches that are compared, each driven by ask and tell."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState as OptunaState

from pipeline.config import Choices, Domain, Params, Range, StudyConfig, is_fixed
from pipeline.search.blocks import Blocks, resolve
from pipeline.trial import Assignment, Cutoffs, TrialRow, TrialState, WarmStart

N_AT_ONCE: Final = 8
"""Trials of a search that does not learn: they are asked for together."""
MEDIAN_STARTUP_TRIALS: Final = 5
"""Optuna's default."""


class Policy(Protocol):
    """A search in progress.

    A trial that pauses is told as RUNNING; if it goes on, it is asked for again.
    """

    def ask(self) -> Sequence[Assignment]:
        """The next trials to be trained; called when all that were asked for have ended."""

    def tell(self, trial: TrialRow) -> None:
        """Take in what a trial has come to."""


class Prune(Protocol):
    """A pruner, as limits that are known when a trial begins."""

    def cutoffs(self) -> Cutoffs | None:
        """The limits of a trial that begins now."""

    def tell(self, trial: TrialRow) -> None:
        """Take in a trial that has ended."""


class NoPruner:
    """Every trial is trained to its end."""

    def cutoffs(self) -> None:
        """No limits."""

    def tell(self, trial: TrialRow) -> None:
        """Nothing to do."""


class MedianPruner:
    """Optuna's ``MedianPruner`` with its defaults, for trials that are trained one by one.

    A trial ends where its lowest loss so far is above the median of what the complete trials
    reported at the same epoch, which is their loss there and not their lowest.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._curves: list[tuple[float, ...]] = []

    def cutoffs(self) -> Cutoffs | None:
        """Medians by epoch; none where too few trials are complete."""
        if len(self._curves) < MEDIAN_STARTUP_TRIALS:
            return None
        return Cutoffs(rule="median", limits=tuple(map(self._median, range(self._epochs))))

    def tell(self, trial: TrialRow) -> None:
        """Take in a trial; one that is not complete does not count."""
        if trial.state is TrialState.COMPLETE:
            self._curves.append(trial.scores)

    def _median(self, index: int) -> float:
        losses = [curve[index] for curve in self._curves if index < len(curve)]
        return float(np.percentile(losses, 50.0)) if losses else np.inf


class OptunaPolicy:
    """An Optuna study as its users write it: parameters are asked for where they are needed.

    Args:
        study: The space, the epochs and the seed.
        sampler: Optuna's.
        pruner: Says when a trial is ended early.
        n_at_once: Trials asked for together; more than one where the sampler does not learn.
    """

    def __init__(
        self,
        study: StudyConfig,
        sampler: BaseSampler,
        pruner: Prune | None = None,
        *,
        n_at_once: int = 1,
    ) -> None:
        self._study = study
        self._pruner = pruner or NoPruner()
        self._n_at_once = n_at_once
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna.create_study(sampler=sampler)
        for number in range(len(study.trials)):
            self._optuna.enqueue_trial(study.fixed_params(number))
        self._asked: dict[int, optuna.Trial] = {}

    def ask(self) -> Sequence[Assignment]:
        """Ask for the next trial, or for some at once."""
        return [self._ask() for _ in range(self._n_at_once)]

    def _ask(self) -> Assignment:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._optuna.ask()
            params = suggest(trial, self._study)
        self._asked[trial.number] = trial
        early = self._study.training.early_stopping
        return Assignment(
            config=resolve(self._study, trial.number, params),
            epochs=self._study.training.most_epochs,
            patience=early.patience if early else None,
            cutoffs=self._pruner.cutoffs(),
        )

    def tell(self, trial: TrialRow) -> None:
        """Report each epoch's loss, as a loop of Optuna's users does, and then the lowest."""
        asked = self._asked.pop(trial.number)
        for epoch, loss in enumerate(trial.scores, start=1):
            asked.report(loss, epoch)
        self._optuna.tell(asked, trial.value, state=OptunaState[trial.state.name])
        self._pruner.tell(trial)


def suggest(trial: optuna.Trial, study: StudyConfig) -> Params:
    """Ask for each parameter that a trial has, the numbers of layers first."""
    space = study.space
    counts = set(space.table.layered.values())
    params: Params = {name: _suggest(trial, name, space.domains[name]) for name in sorted(counts)}
    for name in space.active(params):
        if name not in params:
            params[name] = _suggest(trial, name, space.domains[name])
    return params


def _suggest(trial: optuna.Trial, name: str, domain: Domain) -> Any:
    if is_fixed(domain):
        return domain
    if isinstance(domain, Choices):
        return trial.suggest_categorical(name, domain.choices)
    assert isinstance(domain, Range)
    if isinstance(domain.low, int):
        return trial.suggest_int(name, domain.low, domain.high, log=domain.log)
    return trial.suggest_float(name, domain.low, domain.high, log=domain.log)


class BlocksPolicy:
    """This project's own search, the next block asked for when the last one has ended.

    Which trials there are does not depend on that: a block sees the outcomes that it may see. Where
    trials pause at a gate, those that go on are asked for a second time.

    Args:
        study: Its search section names sampler and stopping rule.
        warm_start: What it takes over from another study.

    Attributes:
        ended: The trials that have ended.
    """

    def __init__(self, study: StudyConfig, warm_start: WarmStart | None = None) -> None:
        self._blocks = Blocks(study, [], [], warm_start=warm_start)
        self._paused: dict[int, TrialRow] = {}
        self.ended: list[TrialRow] = []

    def ask(self) -> Sequence[Assignment]:
        """Ask for what goes on, or for the next block; none where the study has all its trials."""
        if self._blocks.is_judgement_due and (going_on := self._judge()):
            return going_on
        return self._blocks.ask().assignments if self._blocks.is_next_decided else ()

    def _judge(self) -> Sequence[Assignment]:
        judged = self._blocks.judge()
        for number, cause in judged.stopped.items():
            paused = self._paused.pop(number)
            self._end(replace(paused, state=TrialState.PRUNED, cause=cause))
        return judged.going_on

    def tell(self, trial: TrialRow) -> None:
        """Take in how a trial ended, or what it has come to where it paused."""
        if trial.state is TrialState.RUNNING:
            self._paused[trial.number] = trial
            self._blocks.pause(trial)
        else:
            self._end(trial)

    def _end(self, trial: TrialRow) -> None:
        self._blocks.finish(trial)
        self.ended.append(trial)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A policy by name.

    Attributes:
        make: Begins a search.
        search: What the study file's search section says beside its trials and its seed.
        needs: Packages beside this project's own.
        is_whole: Whether it trains every trial to its end, so that its study has as many trials as
            its epochs allow.
    """

    make: Callable[[StudyConfig], Policy]
    search: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    is_whole: bool = False


def random(study: StudyConfig) -> Policy:
    """Optuna's random sampler."""
    sampler = RandomSampler(seed=study.search.seed)
    return OptunaPolicy(study, sampler, n_at_once=N_AT_ONCE)


def tpe(study: StudyConfig) -> Policy:
    """Optuna's default sampler, sequential, no stopping."""
    return OptunaPolicy(study, TPESampler(seed=study.search.seed))


def tpe_median(study: StudyConfig) -> Policy:
    """Optuna's default sampler with its default pruner, sequential."""
    pruner = MedianPruner(study.training.most_epochs)
    return OptunaPolicy(study, TPESampler(seed=study.search.seed), pruner)


def gp(study: StudyConfig) -> Policy:
    """Optuna's Gaussian process, sequential, no stopping."""
    return OptunaPolicy(study, GPSampler(seed=study.search.seed))


POLICIES: Final[Mapping[str, Entry]] = {
    "random": Entry(make=random, is_whole=True),
    "tpe": Entry(make=tpe, is_whole=True),
    "tpe-median": Entry(make=tpe_median),
    "gp": Entry(make=gp, is_whole=True),
    "auto": Entry(make=BlocksPolicy, search={"sampler": "auto", "stopping": "auto"}),
    "tpe-asha": Entry(make=BlocksPolicy, search={"sampler": "tpe", "stopping": "asha"}),
}
"""What needs no other package, and trains live."""
