"""What every engine has of its workers: who is busy, and how cohorts and news pass through."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from pipeline.engines.dispatch import Dispatch
from pipeline.trial import Cohort, Event, TrialKey, TrialOutcome


@dataclass(eq=False)
class Worker:
    """A worker as its engine sees it.

    Attributes:
        pid: Its process; ``None`` until it has received its context.
        cohort: What it trains, or is to train.
        pending: The trials of it that have not ended.
    """

    pid: int | None = None
    cohort: Cohort | None = None
    pending: set[TrialKey] = field(default_factory=set)

    @property
    def is_ready(self) -> bool:
        """Whether it has received its context."""
        return self.pid is not None

    def take(self, cohort: Cohort) -> None:
        """Note what it is to train."""
        self.cohort, self.pending = cohort, set(cohort.keys)

    def note(self, event: Event) -> None:
        """Note that a trial of its cohort has ended; with the last one it is idle."""
        if isinstance(event, TrialOutcome):
            self.pending.discard(event.key)
            if not self.pending:
                self.cohort = None


W = TypeVar("W", bound=Worker)


class Pool(ABC, Generic[W]):
    """Workers, and the cohorts that wait for one of them.

    Args:
        n_workers: How many cohorts are trained at a time.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self._waiting = Dispatch()
        self._workers: list[W] = []

    def __enter__(self) -> Self:
        """Use the engine in a ``with`` statement: its workers end with it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        self.close()

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that are ready, each of its machine."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def n_busy(self) -> int:
        """How many workers are training now."""
        return sum(worker.cohort is not None and worker.is_ready for worker in self._workers)

    @property
    def wants_work(self) -> bool:
        """Whether a cohort handed over now would be begun soon: one waits at most."""
        n_idle = sum(worker.cohort is None for worker in self._workers)
        return len(self._waiting) < n_idle + 1

    def submit(self, cohort: Cohort) -> None:
        """Hand over a cohort; cohorts are begun in the order in which they come."""
        self._waiting.submit(cohort)
        self._feed()

    @abstractmethod
    def close(self) -> None:
        """Stop the workers, also in the middle of a cohort."""

    @abstractmethod
    def _feed(self) -> None:
        """Give waiting cohorts to idle workers."""
