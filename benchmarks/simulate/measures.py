"""What a simulated study is measured by: suggestions, scores, processor, memory, stores."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from pipeline.config import Finalist, Params, StudyConfig
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import Activity, TimeLedger
from pipeline.trial import Event, Progress, TrialOutcome

FULL_MODEL: Final = 512
"""From this trial on the Gaussian process knows as many outcomes as it ever will."""
A_STEP: Final = 50
"""So often in a study its state is noted, beside the milestones."""


class Part(NamedTuple):
    """Trials that were suggested together.

    Attributes:
        first: The number of the first one.
        n_trials: How many.
        wall: Seconds that passed.
        cpu: Processor seconds of the driver.
    """

    first: int
    n_trials: int
    wall: float
    cpu: float

    @property
    def end(self) -> int:
        """The number behind the last one."""
        return self.first + self.n_trials


class WatchedTime(TimeLedger):
    """The time ledger, and processor seconds beside it.

    Attributes:
        cpu: Processor seconds by activity.
        latest: Of the latest period: wall and processor seconds.
    """

    def __init__(self, *, n_workers: int) -> None:
        super().__init__(time.perf_counter(), n_workers=n_workers)
        self.cpu: dict[str, float] = {}
        self.latest = (0.0, 0.0)

    @contextmanager
    def spent_on(self, activity: Activity, *, n_busy: int) -> Iterator[None]:
        """Time what the driver does."""
        wall, cpu = time.perf_counter(), time.process_time()
        with super().spent_on(activity, n_busy=n_busy):
            yield
        self.latest = time.perf_counter() - wall, time.process_time() - cpu
        self.cpu[activity] = self.cpu.get(activity, 0.0) + self.latest[1]


class WatchedStore(TrialStore):
    """Optuna's trials; notes how long the suggestion of each part took.

    Attributes:
        times: Set before the first trial is added.
        parts: In the order of their trials.
    """

    times: WatchedTime
    parts: list[Part]

    def watch(self, times: WatchedTime) -> None:
        """Begin to note parts."""
        self.times, self.parts = times, []

    def add(
        self,
        study: StudyConfig,
        first: int,
        suggested: Sequence[Params],
        finalists: Mapping[int, Finalist] | None = None,
    ) -> None:
        """Note what has just been suggested, and write it."""
        if suggested:
            self.parts.append(Part(first, len(suggested), *self.times.latest))
        super().add(study, first, suggested, finalists)


@dataclass(frozen=True, kw_only=True)
class State:
    """A study while it runs, after so many trials have finished.

    Attributes:
        scores: Epochs that were handled.
        wall: Seconds since it began, without those in which losses were made up.
        cpu: Processor seconds of the driver by activity; ``total`` of all.
        memory_bytes: The most that the process has held.
        store_bytes: Of each store.
    """

    n_finished: int
    scores: int
    wall: float
    cpu: Mapping[str, float]
    memory_bytes: int
    store_bytes: Mapping[str, int]


@dataclass
class Probe(Progress):
    """Watches a study.

    Args:
        n_trials: Of the study.
        milestones: Numbers of finished trials at which its state is noted.
        times: The study's time ledger.
        learning_seconds: Says how many processor seconds the made-up learning took so far.
        store_bytes: Says how large each store is.
        show: Called with each state.
    """

    n_trials: int
    milestones: Sequence[int]
    times: WatchedTime
    learning_seconds: Callable[[], float]
    store_bytes: Callable[[], Mapping[str, int]]
    show: Callable[[State], None]
    states: list[State] = field(default_factory=list)
    n_finished: int = 0
    n_scores: int = 0

    def __post_init__(self) -> None:
        """Note how it begins."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self.note()

    def watch(self, event: Event) -> None:
        """Count an event."""
        if not isinstance(event, TrialOutcome):
            self.n_scores += 1
            return
        self.n_finished += 1
        step = max(self.n_trials // A_STEP, 1)
        if self.n_finished % step == 0 or self.n_finished in self.milestones:
            self.note()
            self.show(self.states[-1])

    def note(self) -> None:
        """Note the study's state."""
        learning = self.learning_seconds()
        total = time.process_time() - self._cpu - learning
        self.states.append(
            State(
                n_finished=self.n_finished,
                scores=self.n_scores,
                wall=time.perf_counter() - self._wall - learning,
                cpu={**self.times.cpu, "total": total},
                memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                store_bytes=self.store_bytes(),
            )
        )

    def at(self, n_finished: int) -> State:
        """The state after so many trials."""
        return next(state for state in self.states if state.n_finished == n_finished)


class Law(NamedTuple):
    """A straight line of milliseconds over the number of trials.

    Attributes:
        a: At the first trial.
        b: More for each trial.
    """

    a: float
    b: float

    def at(self, n_trials: int) -> float:
        """Milliseconds at a trial."""
        return self.a + self.b * n_trials

    def __str__(self) -> str:
        """The law as it is stated."""
        return f"{self.a:.3g} ms + {1_000 * self.b:.3g} ms a thousand trials"


def line_of(points: Sequence[tuple[float, float]]) -> Law | None:
    """The line of least squares through points (trial, milliseconds); two are needed."""
    if len({trial for trial, _ in points}) < 2:  # noqa: PLR2004 - a line has two points
        return None
    trials, values = np.array(points).T
    b, a = np.polyfit(trials, values, 1)
    return Law(float(a), float(b))


def law_of_suggestions(parts: Sequence[Part]) -> Law | None:
    """Processor milliseconds a suggestion, once the model is as large as it gets."""
    return line_of(
        [
            ((part.first + part.end) / 2, 1_000 * part.cpu / part.n_trials)
            for part in parts
            if part.first >= min(FULL_MODEL, parts[-1].first // 2)
        ]
    )


def law_of_trials(states: Sequence[State]) -> Law | None:
    """Processor milliseconds of the driver a trial, without its suggestion."""
    return line_of(
        [
            (
                (before.n_finished + after.n_finished) / 2,
                1_000 * (_rest(after) - _rest(before)) / (after.n_finished - before.n_finished),
            )
            for before, after in pairwise(states[1:])
            if after.n_finished > before.n_finished
        ]
    )


def _rest(state: State) -> float:
    return state.cpu["total"] - state.cpu.get("sampling", 0.0)


def row_of(before: State, after: State, parts: Sequence[Part]) -> dict[str, Any]:
    """What happened between two states, the later one being a milestone."""
    asked = [part for part in parts if before.n_finished <= part.first < after.n_finished]
    n_asked = sum(part.n_trials for part in asked)
    wall = [1_000 * part.wall / part.n_trials for part in asked for _ in range(part.n_trials)]
    cpu = [1_000 * part.cpu / part.n_trials for part in asked for _ in range(part.n_trials)]
    n_trials = after.n_finished - before.n_finished
    spent = {
        name: 1_000 * (after.cpu[name] - before.cpu.get(name, 0.0)) / n_trials
        for name in sorted(after.cpu)
    }
    n_scores, rest = after.scores - before.scores, _rest(after) - _rest(before)
    return {
        "finished": after.n_finished,
        "suggestions_a_second": n_asked / sum(part.wall for part in asked) if asked else None,
        "suggestion_ms": _spread(wall),
        "suggestion_cpu_ms": _spread(cpu),
        "longest_part_seconds": max((part.wall for part in asked), default=None),
        "scores_a_second": n_scores / (after.wall - before.wall),
        "scores_a_cpu_second_without_suggestions": n_scores / rest if rest > 0 else None,
        "driver_cpu_ms_a_trial": spent,
        "peak_memory_mib": after.memory_bytes / 2**20,
        "store_mib": {name: size / 2**20 for name, size in after.store_bytes.items()},
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    median, p95 = np.quantile(values, [0.5, 0.95]).tolist()
    return {"median": median, "p95": p95, "max": max(values)}
