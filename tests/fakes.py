"""Doubles that implement the ports of ``pipeline.trial``: nothing is trained, nothing sleeps."""

import hashlib
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.config import StudyConfig, TrialConfig
from pipeline.trial import (
    NO_RUNS,
    Assignment,
    Cohort,
    EpochScores,
    Event,
    KnownRuns,
    SearchSummary,
    Settled,
    StudyState,
    TimeSpent,
    TrialOutcome,
    TrialRow,
    TrialState,
    WarmStart,
)

Fit = Callable[[Cohort, Any, Callable[[EpochScores], None]], Sequence[TrialOutcome]]


class KilledError(BaseException):
    """What a fuse raises: no handler of the code under test may take it for a mistake."""


@dataclass
class Fuse:
    """Burns down by one with each call to a store; a process whose fuse is burnt does no more."""

    left: float = math.inf

    def burn(self) -> None:
        """Raise if nothing is left; it stays so."""
        if self.left <= 0:
            raise KilledError
        self.left -= 1


def epoch_scores(number: int, epoch: int, val_loss: float) -> EpochScores:
    """An epoch's scores that follow from its loss."""
    return EpochScores(
        number=number,
        epoch=epoch,
        ended_at_ms=1_000 * epoch,
        train_loss=val_loss + 0.1,
        train_accuracy=0.5,
        train_loss_no_dropout=val_loss - 0.1,
        val_loss=val_loss,
        val_accuracy=0.5,
        learning_rate=0.001,
        epoch_seconds=0.0,
    )


def fake_losses(config: TrialConfig, epochs: int) -> list[float]:
    """Validation losses as a function of the trial's config alone; some curves turn up again."""
    text = repr((sorted(config.params.items()), config.seeds["initialisation"]))
    chance = random.Random(hashlib.sha256(text.encode()).hexdigest())  # noqa: S311 - no secret
    rate = float(config.params.get("learning_rate", 1e-3))  # a model of the user's may have none
    off = abs(math.log10(rate) + 3) + abs(sum(config.values_of("dropout")) - 0.5)
    floor, speed, turn = 0.2 + 0.2 * off, chance.uniform(0.1, 1.0), chance.randint(2, 12)
    return [
        floor + math.exp(-speed * epoch) + 0.1 * max(epoch - turn, 0) + chance.uniform(0, 0.05)
        for epoch in range(1, epochs + 1)
    ]


SECONDS_AN_EPOCH = 1e-6
"""What a worker that does not train says that an epoch took."""


def fake_fit(
    cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
) -> list[TrialOutcome]:
    """Fit a cohort without training: fake curves, real stopping; every 13th trial raises.

    What is trained again after a pause is trained from the start, as where no checkpoint is found.

    Args:
        cohort: The trials.
        context: What is added to the losses, by trial number; ``None``: nothing.
        report: Called with each epoch's scores.
    """
    added = context or {}
    return [
        _fake_trial(assignment, added.get(assignment.config.number, 0.0), report)
        for assignment in cohort.assignments
    ]


def _fake_trial(
    assignment: Assignment, added: float, report: Callable[[EpochScores], None]
) -> TrialOutcome:
    number = assignment.config.number
    losses = [added + loss for loss in fake_losses(assignment.config, assignment.epochs)]
    curve: list[EpochScores] = []
    state, cause = TrialState.COMPLETE, None
    for epoch, loss in enumerate(losses, start=1):
        if number % 13 == 12 and epoch == 2:
            state, cause = TrialState.FAIL, "MemoryError: so much"
            break
        curve.append(epoch_scores(number, epoch, loss))
        report(curve[-1])
        if epoch < len(losses) and assignment.cutoffs is not None:
            cause = assignment.cutoffs.verdict(losses[:epoch])
        if cause is not None:
            state = TrialState.PRUNED
            break
        if assignment.patience is not None and _is_patience_lost(losses, epoch, assignment):
            break
        if assignment.pause_at is not None and assignment.pause_at <= epoch < len(losses):
            state = TrialState.RUNNING
            break
    best = min(curve, key=lambda scores: scores.val_loss).epoch
    return TrialOutcome(
        number=number,
        state=state,
        cause=cause,
        curve=tuple(curve),
        weights=repr((assignment.config.params, best)).encode(),
        seconds={"training": len(curve) * SECONDS_AN_EPOCH},
    )


def _is_patience_lost(losses: Sequence[float], epoch: int, assignment: Assignment) -> bool:
    past = losses[:epoch]
    return epoch - 1 - past.index(min(past)) >= (assignment.patience or math.inf)


class FakeEngine:
    """Runs ``fit`` at once and delivers what it says later, in an order that a seed chooses.

    Args:
        fit: What a worker does with a cohort.
        n_workers: How many cohorts are under way at a time.
        seed: Of the delays and of the order among workers.
        fuse: Burns with each call.
    """

    def __init__(
        self,
        fit: Fit = fake_fit,
        *,
        n_workers: int = 1,
        seed: int = 0,
        fuse: Fuse | None = None,
    ) -> None:
        self._n_workers = n_workers
        self.assignments: dict[int, Assignment] = {}
        self.order: list[int] = []
        self.cohorts: list[tuple[int, ...]] = []
        self._fit = fit
        self._context: Any = None
        self._chance = random.Random(seed)  # noqa: S311 - delays are no secret
        self._haste = [self._chance.choice([0.1, 1.0, 10.0]) for _ in range(n_workers)]
        self._fuse = fuse or Fuse()
        self._queue: deque[Cohort] = deque()
        self._workers: list[deque[Event]] = [deque() for _ in range(n_workers)]

    @property
    def n_workers(self) -> int:
        """How many cohorts are trained at a time."""
        return self._n_workers

    @property
    def n_busy(self) -> int:
        """How many workers have news to tell."""
        return sum(bool(news) for news in self._workers)

    @property
    def wants_work(self) -> bool:
        """Whether a cohort handed over now would be begun soon."""
        return len(self._queue) < self.n_workers - self.n_busy + 1

    def open(self, context: Any) -> None:
        """Take the context that ``fit`` gets."""
        self._context = context

    def submit(self, cohort: Cohort) -> None:
        """Hand over a cohort."""
        self._fuse.burn()
        self.order.extend(cohort.numbers)
        self.cohorts.append(cohort.numbers)
        self.assignments |= {a.config.number: a for a in cohort.assignments}
        self._queue.append(cohort)
        self._feed()

    def events(self, timeout_seconds: float) -> Sequence[Event]:
        """Deliver a few pieces of news, or none."""
        del timeout_seconds
        self._fuse.burn()
        events: list[Event] = []
        for _ in range(self._chance.choice([0, 1, 1, 2, 5, 20])):
            busy = [place for place, news in enumerate(self._workers) if news]
            if not busy:
                break
            weights = [self._haste[place] for place in busy]
            place = self._chance.choices(busy, weights)[0]
            events.append(self._workers[place].popleft())
            self._feed()
        return events

    def close(self) -> None:
        """Forget what is under way."""
        self._queue.clear()
        for news in self._workers:
            news.clear()

    def _feed(self) -> None:
        for news in self._workers:
            if not news and self._queue:
                cohort = self._queue.popleft()
                news.extend(self._train(cohort))

    def _train(self, cohort: Cohort) -> list[Event]:
        told: list[Event] = []
        try:
            outcomes = self._fit(cohort, self._context, told.append)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a trial's fault is its outcome
            if len(cohort.assignments) > 1:
                return [news for one in cohort.assignments for news in self._train(Cohort((one,)))]
            curve = tuple(news for news in told if isinstance(news, EpochScores))
            number, cause = cohort.numbers[0], f"{type(error).__name__}: {error}"
            failed = TrialOutcome(number=number, state=TrialState.FAIL, cause=cause, curve=curve)
            outcomes = [failed]
        return [*told, *outcomes]


@dataclass
class FakeRun:
    """A trial's run as people browse it."""

    run_id: str
    status: str = "RUNNING"
    state: TrialState = TrialState.RUNNING
    points: dict[tuple[str, int], float] = field(default_factory=dict)
    n_finished: int = 0


@dataclass
class Browsable:
    """What a ledger's server holds: it outlives the processes that write to it."""

    runs: dict[int, FakeRun] = field(default_factory=dict)
    set_aside: list[FakeRun] = field(default_factory=list)
    study_status: str = "absent"
    settled: Settled | None = None
    warm_start: WarmStart | None = None
    summary: SearchSummary | None = None
    rows: tuple[TrialRow, ...] = ()
    spent: TimeSpent = field(default_factory=TimeSpent, compare=False)
    n_made: int = 0


class FakeLedger:
    """Writes to a ``Browsable``.

    Args:
        held: What is browsed; given again to the ledger of a later process.
        fuse: Burns with each call.
    """

    def __init__(self, held: Browsable | None = None, *, fuse: Fuse | None = None) -> None:
        self.held = held if held is not None else Browsable()
        self._fuse = fuse or Fuse()

    @property
    def run_ids(self) -> dict[int, str]:
        """The run id of every trial that has a run."""
        return {number: run.run_id for number, run in self.held.runs.items()}

    def open(
        self,
        study: StudyConfig,
        known: KnownRuns = NO_RUNS,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Make the study's run or take it up again; set the runs of earlier attempts aside."""
        del study
        self._fuse.burn()
        for number, earlier in known.earlier.items():
            if number in self.held.runs and self.held.runs[number].run_id in earlier:
                self.held.set_aside.append(self.held.runs.pop(number))
        self.held.study_status = "RUNNING"
        self.held.warm_start = warm_start

    def start(self, config: TrialConfig) -> str:
        """Make a trial's run, or take it up again, and return its run id."""
        self._fuse.burn()
        if config.number not in self.held.runs:
            self.held.n_made += 1
            run_id = f"run-{config.number}"
            if any(run.run_id == run_id for run in self.held.set_aside):
                run_id += "-again"
            self.held.runs[config.number] = FakeRun(run_id)
        run = self.held.runs[config.number]
        run.status, run.state = "RUNNING", TrialState.RUNNING
        return run.run_id

    def report(self, scores: EpochScores) -> None:
        """Take an epoch's scores; a point that is there already must be the same one."""
        self._fuse.burn()
        points = self.held.runs[scores.number].points
        for name, value in scores.measured.items():
            before = points.setdefault((name, scores.epoch), value)
            assert repr(before) == repr(value), f"{name} of trial {scores.number} has two values"

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Write all that is left of a trial."""
        if config.number not in self.held.runs:
            self.start(config)
        self._fuse.burn()
        for scores in outcome.curve:
            self.report(scores)
        run = self.held.runs[config.number]
        run.status = "FAILED" if outcome.state is TrialState.FAIL else "FINISHED"
        run.state, run.n_finished = outcome.state, run.n_finished + 1

    def release(self, number: int) -> None:
        """Note that a trial was interrupted and waits to be trained again."""
        self._fuse.burn()
        if number in self.held.runs:
            run = self.held.runs[number]
            run.status, run.state = "SCHEDULED", TrialState.WAITING

    def flush(self) -> None:
        """Nothing is buffered."""
        self._fuse.burn()

    def close(self, state: StudyState) -> None:
        """Write the study's note."""
        self.held.settled, self.held.summary = state.settled, state.summary
        if state.spent is not None:
            self.held.spent = self.held.spent.with_run(state.spent)
        self._fuse.burn()
        self.held.rows = tuple(state.rows)
        self.held.study_status = "FINISHED" if state.is_done else "KILLED"
