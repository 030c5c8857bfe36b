"""OutboxLedger: a ledger behind a network, which may be away for a while or for good."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from pipeline.config import StudyConfig, TrialConfig
from pipeline.errors import DropoutSearchError, WorkFailedError
from pipeline.tracking.client import is_away, with_patience
from pipeline.tracking.outbox import Outbox
from pipeline.trial import EpochScores, Ledger, TrialOutcome, TrialRow

SECONDS_BETWEEN_TRIES: Final = 5.0
LARGEST_SHARE: Final = 0.1
"""Trying and delivering take at most about this part of the driver's time."""
SECONDS_OF_DELIVERY: Final = 0.5
"""While trials are trained, what waits is delivered so long at a time."""

T = TypeVar("T")


class OutboxLedger:
    """Passes everything on while the server answers; else keeps outcomes and tries again.

    A server that comes back is met as after a death of the driver: by a new ledger that takes up
    what is there. So whatever the server did with the last call, each point stands once.

    Args:
        connect: Makes the ledger behind the network; nothing is sent yet.
        outbox: Where outcomes are kept.
        address: The server's, as people may see it.
        seconds_between_tries: The server is tried no more often.
    """

    def __init__(
        self,
        connect: Callable[[], Ledger],
        outbox: Outbox,
        *,
        address: str,
        seconds_between_tries: float = SECONDS_BETWEEN_TRIES,
    ) -> None:
        self._connect = connect
        self._outbox = outbox
        self._address = address
        self._pause = seconds_between_tries
        self._next_try = 0.0
        self._was_away = False
        self._study: StudyConfig
        self._ledger: Ledger | None = None
        self._last_run_ids: Mapping[int, str] = {}
        self._in_flight: dict[int, tuple[TrialConfig, list[EpochScores]]] = {}

    @property
    def run_ids(self) -> Mapping[int, str]:
        """The run id of every trial that is known to have a run, also while the server is away."""
        return self._ledger.run_ids if self._ledger else self._last_run_ids

    def open(self, study: StudyConfig) -> None:
        """Make the study's run or take it up again, and deliver what an earlier run has kept.

        Raises:
            BadInputError: MLflow cannot be reached, or holds another study of that name.
            WorkFailedError: What was kept is damaged.
        """
        self._study = study
        ledger = self._connect()
        with with_patience():
            ledger.open(study)
        self._ledger = ledger
        self._deliver()

    def start(self, config: TrialConfig) -> str | None:
        """Make a trial's run, or take it up again; its run id comes later where nobody answers."""
        self._in_flight[config.number] = config, []
        return self._try(lambda ledger: ledger.start(config))

    def report(self, scores: EpochScores) -> None:
        """Take an epoch's scores; where nobody answers, they are written with those to come."""
        if scores.number in self._in_flight:
            self._in_flight[scores.number][1].append(scores)
        self._try(lambda ledger: ledger.report(scores))

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Write all that is left of a trial, or keep all of it."""
        self._in_flight.pop(config.number, None)
        self._try(lambda ledger: ledger.finish(config, outcome))
        if self._ledger is None:
            self._outbox.keep(config, outcome)

    def release(self, number: int) -> None:
        """Note that a trial was interrupted; where nobody answers, the next run notes it."""
        self._in_flight.pop(number, None)
        self._try(lambda ledger: ledger.release(number))

    def flush(self) -> None:
        """Write what is old enough; now and then try a server that is away, and deliver."""
        if self._ledger is None and time.monotonic() >= self._next_try:
            self._come_back()
        self._try(lambda ledger: ledger.flush())
        self._deliver(at_most_seconds=SECONDS_OF_DELIVERY)

    def close(self, rows: Sequence[TrialRow], *, is_done: bool) -> None:
        """Deliver what waits, write the study's note and leave nothing running, if it answers.

        A call that was given up may have been carried out since, and made a second run of a trial
        or set an old state: after an absence all is looked at once more.
        """
        if self._was_away:
            self._come_back()
        self._deliver()
        self._try(lambda ledger: ledger.close(rows, is_done=is_done))
        if self._ledger is not None:
            self._outbox.close()

    def _try(self, work: Callable[[Ledger], T]) -> T | None:
        """Do it, unless the server is away or turns out to be."""
        if self._ledger is None:
            return None
        try:
            with with_patience():
                return work(self._ledger)
        except WorkFailedError as error:
            if not is_away(error.__cause__):
                raise
            self._last_run_ids = dict(self._ledger.run_ids)
            self._ledger = None
            self._was_away = True
            self._next_try = time.monotonic() + self._pause
            self._outbox.note_away(self._address, str(error))
            return None

    def _come_back(self) -> None:
        began = time.monotonic()
        self._ledger, ledger = None, self._connect()
        try:
            with with_patience():
                ledger.open(self._study)
                for config, curve in self._in_flight.values():
                    ledger.start(config)
                    for scores in curve:
                        ledger.report(scores)
        except DropoutSearchError:  # whatever it says, it is not what it was: nothing is given up
            now = time.monotonic()
            self._next_try = now + max(self._pause, (now - began) / LARGEST_SHARE)
        else:
            self._ledger = ledger

    def _deliver(self, *, at_most_seconds: float = float("inf")) -> None:
        deadline = time.monotonic() + at_most_seconds
        for number in self._outbox.numbers if self._ledger else ():
            if time.monotonic() > deadline:
                return
            self._deliver_one(number)

    def _deliver_one(self, number: int) -> None:
        config, outcome = self._outbox.load(number)
        self._try(lambda ledger: ledger.finish(config, outcome))
        if self._ledger is not None:
            self._outbox.remove(number)
