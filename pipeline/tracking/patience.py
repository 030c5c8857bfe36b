"""PatientLedger: a ledger behind a network, whose server may not answer for a while."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from pipeline.config import StudyConfig, TrialConfig
from pipeline.errors import DropoutSearchError, WorkFailedError
from pipeline.tracking.client import failing_fast, is_away
from pipeline.tracking.refusals import STATUS
from pipeline.trial import (
    NO_RUNS,
    EpochScores,
    KnownRuns,
    Ledger,
    StudyState,
    Tell,
    TrialOutcome,
    WarmStart,
)

SECONDS_BETWEEN_TRIES: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Absence:
    """A server that does not answer: when that was seen first, and how long it is waited for."""

    since: str
    deadline: float


class PatientLedger:
    """Passes every call on; where the server does not answer, waits for it and repeats the call.

    A server that is back is met as after a death of the driver: by a new ledger that takes up what
    is there. So whatever the server did with the call whose answer was lost, each point is written
    once. A server that stays away is waited for once: after that every call fails at once.

    Args:
        connect: Makes the ledger behind the network; nothing is sent yet.
        address: The server's, without a password.
        tell: Called with one line when a wait begins or ends.
        patience_seconds: How long an absence may last.
        seconds_between_tries: The server is tried no more often.
    """

    def __init__(
        self,
        connect: Callable[[], Ledger],
        *,
        address: str,
        tell: Tell,
        patience_seconds: float,
        seconds_between_tries: float = SECONDS_BETWEEN_TRIES,
    ) -> None:
        self._connect = connect
        self._address = address
        self._tell = tell
        self._patience = patience_seconds
        self._pause = seconds_between_tries
        self._was_away = False
        self._given_up: WorkFailedError | None = None
        self._study: StudyConfig
        self._ledger: Ledger
        self._known = NO_RUNS
        self._warm_start: WarmStart | None = None
        self._in_flight: dict[int, tuple[TrialConfig, list[EpochScores]]] = {}

    @property
    def run_ids(self) -> Mapping[int, str]:
        """The run id of every trial that has a run, by the trial's number."""
        return self._ledger.run_ids

    def open(
        self,
        study: StudyConfig,
        known: KnownRuns = NO_RUNS,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Make the study's run or take it up again.

        Raises:
            BadInputError: MLflow cannot be reached, or holds another study of that name.
        """
        self._study = study
        self._ledger = self._connect()
        self._known = known
        self._warm_start = warm_start
        self._call(lambda ledger: ledger.open(study, known, warm_start))

    def start(self, config: TrialConfig) -> str:
        """Make a trial's run, or take it up again, and return its run id."""
        self._in_flight[config.number] = config, []
        return self._call(lambda ledger: ledger.start(config))

    def report(self, scores: EpochScores) -> None:
        """Take an epoch's scores; a ledger that is opened again gets them, too."""
        if scores.number in self._in_flight:
            self._in_flight[scores.number][1].append(scores)
        self._call(lambda ledger: ledger.report(scores))

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Write all that is left of a trial; after this its run is complete."""
        self._in_flight.pop(config.number, None)
        self._call(lambda ledger: ledger.finish(config, outcome))

    def release(self, number: int) -> None:
        """Note that a trial was interrupted and waits to be trained again."""
        self._in_flight.pop(number, None)
        self._call(lambda ledger: ledger.release(number))

    def flush(self) -> None:
        """Write what is old enough."""
        self._call(lambda ledger: ledger.flush())

    def close(self, state: StudyState) -> None:
        """Write the study's note and leave nothing running.

        A server that hung may carry out an old call after a new one, and so have made a second run
        of a trial or set an old state: after an absence everything is read once more.
        """
        if self._was_away and self._given_up is None:
            self._read_again()
        self._call(lambda ledger: ledger.close(state))

    def _read_again(self) -> None:
        try:
            with failing_fast():
                self._reopen()
        except DropoutSearchError as error:
            self._wait(self._begin_to_wait(), error)

    def _call(self, work: Callable[[Ledger], T]) -> T:
        if self._given_up is not None:
            raise self._given_up
        absence: Absence | None = None
        while True:
            try:
                with failing_fast():
                    return work(self._ledger)
            except WorkFailedError as error:
                if not is_away(error.__cause__):
                    raise
                absence = absence or self._begin_to_wait()
                self._wait(absence, error)

    def _begin_to_wait(self) -> Absence:
        self._was_away = True
        self._tell(
            f"MLflow at {self._address} does not answer: "
            f"waiting for it, up to {self._patience:g} seconds"
        )
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        return Absence(now, time.monotonic() + self._patience)

    def _wait(self, absence: Absence, reason: DropoutSearchError) -> None:
        """Wait until the server is back; a wait that ends otherwise is not begun again.

        Raises:
            WorkFailedError: The server stayed away.
        """
        self._given_up = given_up = WorkFailedError(self._message(absence, reason))
        while time.monotonic() < absence.deadline:
            time.sleep(self._pause)
            with suppress(DropoutSearchError), failing_fast():
                self._reopen()
                self._given_up = None
                self._tell(f"MLflow at {self._address} answers again")
                return
        raise given_up from reason

    def _message(self, absence: Absence, reason: DropoutSearchError) -> str:
        status = STATUS.search(str(reason))
        how = f"has answered with HTTP status {status[1]} alone" if status else "has not answered"
        return (
            f"MLflow at {self._address} {how} since {absence.since}: "
            "run the same command again when it answers, and the study goes on"
        )

    def _reopen(self) -> None:
        ledger = self._connect()
        current = {**self._known.current, **self._ledger.run_ids}
        known = replace(self._known, current=current)
        ledger.open(self._study, known, self._warm_start)
        for config, curve in self._in_flight.values():
            ledger.start(config)
            for scores in curve:
                ledger.report(scores)
        self._ledger = ledger
