"""The time ledger: where a study's seconds went, summing to its wall time.

Wall time is divided among the workers. The time they work is measured by their own clocks; the time
they are idle is attributed to what the driver does meanwhile.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

from pipeline.trial import PHASES, RunTime, Tell, ignore

Activity = Literal["sampling", "optuna", "mlflow", "waiting"]

STORES = ("optuna", "mlflow")
AT_WORK = ("sampling", *STORES)
"""What the driver does when it is not waiting for news."""


class TimeLedger:
    """Adds up a study's seconds by what they were spent on.

    Args:
        started: ``time.perf_counter()`` when the command began.
        n_workers: Workers of the engine.
        tell: Called with the name of what the start-up waits for, ``workers`` between its steps;
            with an empty text once they train.
    """

    def __init__(self, started: float, *, n_workers: int, tell: Tell = ignore) -> None:
        self._started = started
        self._tell = tell
        self._began = datetime.now(UTC) - timedelta(seconds=time.perf_counter() - started)
        self._n_workers = n_workers
        self._start_up: float | None = None
        self._steps: dict[str, float] = {}
        self._worked = dict.fromkeys(PHASES, 0.0)
        self._driver = dict.fromkeys((*AT_WORK, "waiting"), 0.0)
        self._idle = dict.fromkeys((*AT_WORK, "waiting"), 0.0)

    @contextmanager
    def starting(self, step: str) -> Iterator[None]:
        """Time a step of the start-up under the name that is shown."""
        began = time.perf_counter()
        self._tell(step)
        try:
            yield
        finally:
            self._tell("workers")
            self._steps[step] = self._steps.get(step, 0.0) + time.perf_counter() - began

    def workers_began(self) -> None:
        """Note that the first worker trains: start-up ends."""
        if self._start_up is None:
            self._start_up = time.perf_counter() - self._started
            self._tell("")

    @contextmanager
    def spent_on(self, activity: Activity, *, n_busy: int) -> Iterator[None]:
        """Time what the driver does; only idle workers wait for it.

        Args:
            activity: What it is.
            n_busy: Workers that train meanwhile, as far as the driver knows.
        """
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self._driver[activity] += spent
            if self._start_up is not None:
                self._idle[activity] += spent * (self._n_workers - n_busy) / self._n_workers

    def worked(self, seconds: Mapping[str, float]) -> None:
        """Add a trial's worker seconds by phase."""
        for phase in PHASES:
            self._worked[phase] += seconds.get(phase, 0.0)

    def summary(self) -> dict[str, float]:
        """Seconds by what they were spent on, ``total`` first; the rest sum to it.

        ``training`` holds the building of networks, too.
        """
        total = time.perf_counter() - self._started
        worked = {phase: spent / self._n_workers for phase, spent in self._worked.items()}
        at_work = sum(worked.values())
        noticed = total if self._start_up is None else self._start_up
        start_up = max(min(noticed, total - at_work), 0.0)  # work began before it was noticed
        idle = self._shared_out(max(total - start_up - at_work, 0.0))
        return {
            "total": total,
            "start_up": start_up,
            "data": worked["data"],
            "training": worked["training"] + worked["set_up"],
            "validation": worked["validation"],
            "sampling": idle["sampling"],
            "stores": sum(idle[store] for store in STORES),
            "waiting": idle["waiting"],
        }

    def start_up(self) -> dict[str, float]:
        """What the start-up waited for; ``workers`` is the rest: their imports, beside all else."""
        lasted = self.summary()["start_up"]
        rest = max(lasted - sum(self._steps.values()), 0.0)
        return self._steps | {"workers": rest}

    def machinery(self) -> dict[str, float]:
        """What the machinery cost, whether or not anybody waited for it.

        Returns:
            Processor-side seconds: of the workers for ``set_up`` (networks, Lightning's trainer),
            of the driver for ``sampling``, ``optuna`` and ``mlflow``.
        """
        return {"set_up": self._worked["set_up"]} | {name: self._driver[name] for name in AT_WORK}

    def of_run(self) -> RunTime:
        """All of it, as it is kept with the study."""
        return RunTime(
            began=self._began.isoformat(),
            n_workers=self._n_workers,
            seconds=self.summary(),
            start_up=self.start_up(),
            machinery=self.machinery(),
        )

    def _shared_out(self, idle_seconds: float) -> dict[str, float]:
        """Divide idle time among the driver's activities.

        A worker that finishes while the driver writes is idle before the driver notices: that part
        is attributed to the driver's activities in proportion to their durations.
        """
        seen = sum(self._idle.values())
        if seen > idle_seconds:
            return {name: spent * idle_seconds / seen for name, spent in self._idle.items()}
        busy = sum(self._driver[name] for name in AT_WORK)
        unseen = dict.fromkeys(self._idle, 0.0)
        if busy:
            unseen |= {name: self._driver[name] / busy for name in AT_WORK}
        else:
            unseen["waiting"] = 1.0
        rest = idle_seconds - seen
        return {name: spent + rest * unseen[name] for name, spent in self._idle.items()}
