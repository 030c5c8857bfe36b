"""How far a study's run has come: counted for a terminal and a notebook alike."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pipeline.app.progress.time_left import MIN_EPOCHS, TimeLeft, Work
from pipeline.config import Objective, Scalar, StudyConfig
from pipeline.config.models import EPOCHS
from pipeline.errors import counted
from pipeline.trial import (
    Assignment,
    Cohort,
    EpochScores,
    Event,
    Progress,
    TrialOutcome,
    TrialRow,
    TrialState,
)

STEPS: Final = {
    "checks": "checking the study file, its data and its stores",
    "data": "reading the data",
    "first_batch": "training one batch with your class",
    "optuna": "opening Optuna's storage",
    "mlflow": "importing MLflow and opening its database",
    "workers": "waiting for the workers, which import torch and Lightning",
    "models": "registering the best network and the baseline's in MLflow",
}
"""What the steps of the start-up, and of the end, are called."""


@dataclass(slots=True, kw_only=True)
class RunningTrial:
    """A trial that the workers were handed.

    Attributes:
        epochs: At most so many.
        until: The epoch after which it pauses, or its last.
        epoch: The last that has ended; 0 before the first.
        scores: The objective's, one an epoch of this run.
        loss: The lowest of this run; infinite before the first.
    """

    number: int
    params: Mapping[str, Scalar] = field(default_factory=dict)
    epochs: int
    until: int
    epoch: int = 0
    scores: list[float] = field(default_factory=list)
    loss: float = math.inf

    @classmethod
    def of(cls, assignment: Assignment) -> "RunningTrial":
        """A trial before its first epoch."""
        config, epochs = assignment.config, assignment.epochs
        pause = assignment.pause_at or epochs
        params = dict(config.params)
        return cls(number=config.number, params=params, epochs=epochs, until=min(pause, epochs))

    @property
    def is_paused(self) -> bool:
        """Whether it waits for the others with which it is compared."""
        return self.until <= self.epoch < self.epochs

    @property
    def epoch_text(self) -> str:
        """``12/20``."""
        return f"{self.epoch}/{self.epochs}"

    @property
    def score_text(self) -> str:
        """The last score; empty before the first epoch."""
        return f"{self.scores[-1]:.4f}" if self.scores else ""

    def take(self, measured: EpochScores) -> None:
        """Take what an epoch measured."""
        self.epoch = measured.epoch
        self.scores.append(measured.score)
        if math.isfinite(measured.loss):
            self.loss = min(self.loss, measured.loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestSoFar:
    """The best complete trial up to now.

    Attributes:
        found_at: When; ``None``: in an earlier run.
        scores: Its curve.
    """

    loss: float
    number: int
    found_at: datetime | None
    params: Mapping[str, Scalar]
    scores: Sequence[float]


class Tally(Progress):
    """Counts a study's trials, keeps the best one, and tells how long the rest takes.

    Args:
        study: Whose trials they are.
        clock: Seconds.

    Attributes:
        done: How many trials have ended.
        total: Of how many.
        running: The trials that the workers were handed, by number.
        ended: How many ended how; a failure or a stop under its cause.
        best: ``None`` before a trial is complete.
        history: The best value so far, one entry for each trial that ended since the first.
        step: What the start-up waits for; empty once trials are trained.
    """

    def __init__(self, study: StudyConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.study = study.name
        self.total = study.search.trials
        self.objective: Objective = study.objective
        self.step = "starting"
        self._most_epochs = study.training.most_epochs
        self._n_searched = study.n_searched
        self._max_seconds = study.search.max_seconds or math.inf
        self._clock = clock
        self._started = clock()
        self._trains_since: float | None = None
        self._n_epochs = 0
        self._forget()

    def _forget(self) -> None:
        """Count from nothing."""
        self.done = 0
        self.running: dict[int, RunningTrial] = {}
        self.ended: Counter[str] = Counter()
        self.best: BestSoFar | None = None
        self.history: list[float] = []
        self._n_begun = 0
        self._lengths: list[int] = []
        self._whole: list[int] = []

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Count what earlier runs have finished; one that begins again takes up its own trials."""
        self._forget()
        for row in rows:
            if row.state.is_finished:
                epochs = row.params.get(EPOCHS.name, self._most_epochs)
                self._count(row, row.params, int(epochs), found_at=None)

    def begin_step(self, step: str) -> None:
        """Note what the start-up waits for now.

        Args:
            step: A key of ``STEPS``, or words; empty once the workers train.
        """
        self.step = STEPS.get(step, step)
        if not step and self._trains_since is None:
            self._trains_since = self._clock()

    def hand_out(self, cohort: Cohort) -> None:
        """Note what the workers were handed; a trial that has paused goes on."""
        for one in cohort.assignments:
            new = RunningTrial.of(one)
            if before := self.running.get(new.number):
                new.epoch, new.scores, new.loss = before.epoch, before.scores, before.loss
            self.running[new.number] = new
            self._n_begun = max(self._n_begun, new.number + 1)

    def watch(self, event: Event) -> None:
        """Count an epoch, or a trial that has ended."""
        if isinstance(event, EpochScores):
            self._n_epochs += 1
            trial = self.running.setdefault(event.number, self._unknown(event.number))
            trial.take(event)
            return
        trial = self.running.pop(event.number, self._unknown(event.number))
        self._count(event, trial.params, trial.epochs, found_at=datetime.now().astimezone())

    def _unknown(self, number: int) -> RunningTrial:
        """A trial of which nothing was said when it was handed out."""
        return RunningTrial(number=number, epochs=self._most_epochs, until=self._most_epochs)

    def _count(
        self,
        ended: TrialRow | TrialOutcome,
        params: Mapping[str, Scalar],
        epochs: int,
        *,
        found_at: datetime | None,
    ) -> None:
        self.done += 1
        self._n_begun = max(self._n_begun, ended.number + 1)
        self._lengths.append(len(ended.scores))
        self.ended[_ending(ended, epochs)] += 1
        if ended.value is not None:
            self._whole.append(len(ended.scores))
            loss = self.objective.loss(ended.value)
            if self.best is None or (loss, ended.number) < (self.best.loss, self.best.number):
                self.best = BestSoFar(
                    loss=loss,
                    number=ended.number,
                    found_at=found_at,
                    params=params,
                    scores=ended.scores,
                )
        if self.best is not None:
            self.history.append(self.objective.loss(self.best.loss))

    def best_running(self, n_most: int) -> list[RunningTrial]:
        """The running trials by number; where they are too many, the best ones first."""
        running = sorted(self.running.values(), key=lambda trial: trial.number)
        if len(running) <= n_most:
            return running
        running.sort(key=lambda trial: (trial.is_paused, trial.loss))
        return running[: max(n_most, 0)]

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self._clock() - self._started

    @property
    def time_left(self) -> TimeLeft | None:
        """Until the last trial ends; ``None`` while nothing tells it."""
        if self._n_epochs < MIN_EPOCHS or self._trains_since is None:
            return None
        trained_for = self._clock() - self._trains_since
        n_finalists = max(self.total - max(self._n_searched, self._n_begun), 0)
        found = Work(
            total=self.total,
            most_epochs=self._most_epochs,
            ended=self._lengths,
            whole=self._whole,
            running=[trial.epoch for trial in self.running.values()],
            n_finalists=n_finalists,
            rate=self._n_epochs / max(trained_for, 1e-3),
        ).time_left()
        return found and found.until(self._max_seconds - trained_for)

    @property
    def best_text(self) -> str:
        """``lowest 0.1774 (trial 58)``."""
        if self.best is None:
            return "none complete yet"
        value = self.objective.loss(self.best.loss)
        return f"{self.objective.best_word} {value:.4f} (trial {self.best.number})"

    @property
    def found_text(self) -> str:
        """When the best was found."""
        if self.best is None:
            return ""
        if self.best.found_at is None:
            return "found in an earlier run"
        return f"found at {self.best.found_at:%H:%M:%S}"

    @property
    def left_text(self) -> str:
        """``about 2 min left``; where nothing is known, that it is not."""
        if self.done >= self.total:
            return ""
        return str(self.time_left or "time left not known yet")

    @property
    def ended_text(self) -> str:
        """How many trials ended how, the most frequent first: ``19 complete, 13 pruned``."""
        known = [f"{number} {what}" for what, number in self.ended.most_common()]
        return ", ".join(known) or "none yet"

    @property
    def running_text(self) -> str:
        """How many trials are under way: ``16 trials running, 4 of them paused``."""
        n_paused = sum(trial.is_paused for trial in self.running.values())
        paused = f", {n_paused} of them paused" if n_paused else ""
        return f"{counted(len(self.running), 'trial')} running{paused}"


def _ending(ended: TrialRow | TrialOutcome, epochs: int) -> str:
    """How a trial ended, with the first words of its cause."""
    reason = (ended.cause or "").partition(":")[0].strip()
    match ended.state:
        case TrialState.PRUNED:
            return f"pruned ({reason})" if reason else "pruned"
        case TrialState.FAIL:
            return f"failed ({reason})" if reason else "failed"
        case _ if len(ended.scores) < epochs:
            return "complete (early stopping)"
    return "complete"
