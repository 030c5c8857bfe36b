"""The time ledger: where a study's seconds went, summing to its wall time.

Each moment of wall time is shared out among the workers. What they spent at work is known from
their own clocks; what they stood idle is put down to what the driver did meanwhile.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pipeline.trial import PHASES

ACTIVITIES = ("sampling", "stores")


class SecondsLedger:
    """Adds up a study's seconds by what they were spent on.

    Args:
        started: ``time.perf_counter()`` when the command began.
        n_workers: Workers of the engine.
    """

    def __init__(self, started: float, *, n_workers: int) -> None:
        """Start with what has passed since ``started`` as start-up."""
        self._started = started
        self._n_workers = n_workers
        self._start_up: float | None = None
        self._worked = dict.fromkeys(PHASES, 0.0)
        self._idle = dict.fromkeys(ACTIVITIES, 0.0)

    def workers_began(self) -> None:
        """Note that the first worker trains: start-up ends."""
        if self._start_up is None:
            self._start_up = time.perf_counter() - self._started

    @contextmanager
    def spent_on(self, activity: str, *, n_busy: int) -> Iterator[None]:
        """Time what the driver does; only the share of idle workers waits for it.

        Args:
            activity: One of ``ACTIVITIES``.
            n_busy: Workers that train meanwhile.
        """
        began = time.perf_counter()
        try:
            yield
        finally:
            if self._start_up is not None:
                share = (self._n_workers - n_busy) / self._n_workers
                self._idle[activity] += share * (time.perf_counter() - began)

    def worked(self, seconds: Mapping[str, float]) -> None:
        """Add a trial's worker seconds by phase."""
        for phase in PHASES:
            self._worked[phase] += seconds.get(phase, 0.0) / self._n_workers

    def summary(self) -> dict[str, float]:
        """Seconds by what they were spent on, ``total`` first; the rest sum to it."""
        total = time.perf_counter() - self._started
        at_work = sum(self._worked.values())
        noticed = total if self._start_up is None else self._start_up
        start_up = max(min(noticed, total - at_work), 0.0)  # work began before it was noticed
        rest = max(total - start_up - at_work, 0.0)
        spent = sum(self._idle.values())
        part = min(rest / spent, 1.0) if spent else 1.0
        idle = {name: part * seconds for name, seconds in self._idle.items()}
        waiting = max(rest - sum(idle.values()), 0.0)
        return {"total": total, "start_up": start_up, **self._worked, **idle, "waiting": waiting}
