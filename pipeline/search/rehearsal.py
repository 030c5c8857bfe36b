"""A study gone through without training: its blocks, gates and cohorts, on a clock that is made up.

The blocks, the stopping rule, the gate, the finalists and the grouping are the driver's own; losses
are drawn, and what a cohort takes is a price that the caller gives.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pipeline.config import StudyConfig, derive_seed
from pipeline.search.blocks import Blocks
from pipeline.search.cohorts import form_cohorts
from pipeline.trial import Assignment, Cohort, TrialRow, TrialState

Price = Callable[[Sequence[Assignment], Sequence[int]], float]
"""The seconds of a cohort, by the epochs of each of its trials."""

FLATTENING: Final = 0.25
"""Of its epochs a curve has fallen by two thirds after this part."""
FALL: Final = 2.0
RISE: Final = 0.05
"""By epoch, once a trial has passed its best one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What is supposed of trials that nobody has trained.

    Attributes:
        best_part: The lowest and the highest part of a trial's epochs at which its best one lies;
            above 1 it is the last one.
        learning: How much better than the first trials, in standard deviations among them, those
            are that the search suggests when it has learned.
    """

    best_part: tuple[float, float]
    learning: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A cohort as it was trained: its trials, and the epochs of each."""

    assignments: tuple[Assignment, ...]
    epochs: tuple[int, ...]


@dataclass(slots=True)
class Rehearsed:
    """What a rehearsal came to.

    Attributes:
        seconds: Until the last worker was done.
        worked: The seconds of all workers together.
        cohorts: What was trained, in order.
    """

    seconds: float = 0.0
    worked: float = 0.0
    cohorts: list[Trained] = field(default_factory=list)

    @property
    def n_epochs(self) -> int:
        """Of all trials together."""
        return sum(sum(one.epochs) for one in self.cohorts)


def rehearse(
    study: StudyConfig,
    price: Price,
    habits: Habits,
    *,
    n_workers: int,
    max_cohort: int | None = None,
    seed: int = 0,
) -> Rehearsed:
    """Go through a study.

    Args:
        study: The study.
        price: What a cohort takes.
        habits: What is supposed of its trials.
        n_workers: Cohorts that are trained at a time.
        max_cohort: As ``run`` is given it.
        seed: Of the losses.
    """
    return _Rehearsal(study, price, habits, n_workers, max_cohort, seed).run()


class _Rehearsal:
    def __init__(
        self,
        study: StudyConfig,
        price: Price,
        habits: Habits,
        n_workers: int,
        max_cohort: int | None,
        seed: int,
    ) -> None:
        self._study = _drawn_at_random(study, seed)
        self._price = price
        self._habits = habits
        self._n_workers = n_workers
        self._max_cohort = max_cohort
        self._seed = seed
        self._blocks = Blocks(self._study, (), ())
        self._waiting: deque[Cohort] = deque()
        self._training: list[tuple[float, int, Cohort]] = []
        self._curves: dict[int, list[float]] = {}
        self._paused: dict[int, int] = {}
        self._now = 0.0
        self._done = Rehearsed()

    def run(self) -> Rehearsed:
        self._hand_out()
        while self._training:
            self._now, _, cohort = heapq.heappop(self._training)
            for assignment in cohort.assignments:
                self._end(assignment)
            self._hand_out()
        self._done.seconds = self._now
        return self._done

    def _hand_out(self) -> None:
        """Let as many cohorts begin as there are workers."""
        while len(self._training) < self._n_workers:
            if self._blocks.is_judgement_due:
                self._judge()
            if not self._waiting:
                if not self._blocks.is_next_decided:
                    return
                self._waiting.extend(self._cohorts(self._blocks.ask().assignments))
                continue
            self._begin(self._waiting.popleft())

    def _judge(self) -> None:
        judged = self._blocks.judge()
        for number in judged.stopped:
            self._finish(number, TrialState.PRUNED, self._paused[number])
        self._waiting.extendleft(reversed(self._cohorts(judged.going_on)))

    def _cohorts(self, assignments: Sequence[Assignment]) -> list[Cohort]:
        if not assignments:
            return []
        return form_cohorts(assignments, n_workers=self._n_workers, max_cohort=self._max_cohort)

    def _begin(self, cohort: Cohort) -> None:
        ends = [self._ends(one)[0] for one in cohort.assignments]
        before = [self._paused.get(one.config.number, 0) for one in cohort.assignments]
        epochs = tuple(end - begin for end, begin in zip(ends, before, strict=True))
        seconds = self._price(cohort.assignments, epochs)
        self._done.worked += seconds
        self._done.cohorts.append(Trained(assignments=cohort.assignments, epochs=epochs))
        entry = (self._now + seconds, len(self._done.cohorts), cohort)
        heapq.heappush(self._training, entry)

    def _end(self, assignment: Assignment) -> None:
        number = assignment.config.number
        epoch, state = self._ends(assignment)
        if state is TrialState.RUNNING:
            self._paused[number] = epoch
            self._blocks.pause(self._row(number, state, epoch))
        else:
            self._finish(number, state, epoch)

    def _finish(self, number: int, state: TrialState, epoch: int) -> None:
        self._blocks.finish(self._row(number, state, epoch))

    def _ends(self, assignment: Assignment) -> tuple[int, TrialState]:
        """After which epoch a trial ends or pauses, as a worker decides it."""
        losses = self._losses(assignment)
        lowest, best = math.inf, 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < lowest:
                lowest, best = loss, epoch
            if epoch == assignment.epochs:
                break
            if assignment.cutoffs and assignment.cutoffs.verdict(losses[:epoch]):
                return epoch, TrialState.PRUNED
            if assignment.patience is not None and epoch - best >= assignment.patience:
                return epoch, TrialState.COMPLETE
            if epoch == assignment.pause_at:
                return epoch, TrialState.RUNNING
        return assignment.epochs, TrialState.COMPLETE

    def _losses(self, assignment: Assignment) -> list[float]:
        """Draw a trial's curve: it falls to its floor, and rises from its best epoch on."""
        number = assignment.config.number
        if number not in self._curves:
            self._curves[number] = self._drawn(number, assignment.epochs)
        return self._curves[number]

    def _drawn(self, number: int, n_epochs: int) -> list[float]:
        rng = np.random.default_rng(derive_seed(self._seed, number, "rehearsal"))
        learned = self._habits.learning * min(number / max(self._study.n_searched / 2, 1), 1.0)
        floor = abs(rng.normal()) * math.exp(-learned)
        best = rng.uniform(*self._habits.best_part) * n_epochs
        epochs = np.arange(1, n_epochs + 1)
        falling = FALL * np.exp(-epochs / max(FLATTENING * n_epochs, 1))
        falling = np.where(epochs <= best, falling, FALL * np.exp(-best / (FLATTENING * n_epochs)))
        curve = floor + falling + RISE * np.maximum(epochs - best, 0)
        losses: list[float] = curve.tolist()
        return losses

    def _row(self, number: int, state: TrialState, epoch: int) -> TrialRow:
        losses = self._curves[number][:epoch]
        scores = tuple(map(self._study.objective.loss, losses))
        value = self._study.objective.loss(min(losses))
        return TrialRow(
            number=number,
            state=state,
            value=value if state is TrialState.COMPLETE else None,
            best_epoch=losses.index(min(losses)) + 1,
            params={},
            run_id=None,
            weights_sha256=None,
            cause=None,
            scores=scores,
            objective=self._study.objective,
        )


def _drawn_at_random(study: StudyConfig, seed: int) -> StudyConfig:
    """The study with settings that are drawn: what a search would learn is not known."""
    sampler = "grid" if study.search.sampler == "grid" else "random"
    changes: Mapping[str, object] = {
        "sampler": sampler,
        "until": None,
        "warm_start": None,
        "seed": derive_seed(study.search.seed, seed, "rehearsal"),
    }
    return study.model_copy(update={"search": study.search.model_copy(update=changes)})
