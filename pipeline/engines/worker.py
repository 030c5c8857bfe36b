"""A worker process: receives cohorts, fits them, and sends back scores and outcomes."""

import os
import select
import signal
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from pipeline.trial import Cohort, EpochScores, TrialKey, TrialOutcome, TrialState

Fit = Callable[[Cohort, Any, Callable[[EpochScores], None]], Sequence[TrialOutcome]]
"""Fits a cohort with the context that the engine was given, reporting each epoch."""


def resolve_fit(reference: str) -> Fit:
    """Import what a worker does with a cohort."""
    fit: Fit = resolve(reference)
    return fit


def resolve(reference: str) -> Any:
    """Import what is named ``module:name``."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def serve(connection: Connection, fit: Fit) -> None:
    """Fit cohorts until the driver goes away.

    The first message is what is set in the environment, the second the context, each later one a
    cohort. Every answer is an ``EpochScores`` or a ``TrialOutcome``; the first, once the context is
    there, is this process's id.
    """
    for theirs in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C and a closed terminal are the driver's
        signal.signal(theirs, signal.SIG_IGN)
    # A worker that is terminated from outside ends no trial: the engine restarts it. Without this
    # handler Lightning would raise an exception in the trial.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_driver, args=(connection.fileno(),), daemon=True).start()
    try:
        os.environ |= connection.recv()
        context = connection.recv()
        connection.send(os.getpid())
        while True:
            cohort = connection.recv()
            for outcome in _fit_safely(fit, cohort, context, connection):
                connection.send(outcome)
    except (EOFError, OSError):
        return


def _fit_safely(
    fit: Fit, cohort: Cohort, context: Any, connection: Connection
) -> Sequence[TrialOutcome]:
    curves: dict[TrialKey, list[EpochScores]] = {key: [] for key in cohort.keys}

    def report(scores: EpochScores) -> None:
        curves[scores.key].append(scores)
        try:
            connection.send(scores)
        except OSError:
            os._exit(1)  # the driver is gone; an OSError of the trial itself is a failed trial

    try:
        return fit(cohort, context, report)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the trial's fault, not the worker's
        if len(cohort.assignments) > 1:
            return _fit_one_by_one(fit, cohort, context, connection)
        cause = f"{type(error).__name__}: {error}"
        return [
            TrialOutcome(
                number=number,
                repeat=repeat,
                state=TrialState.FAIL,
                cause=cause,
                curve=tuple(curve),
            )
            for (number, repeat), curve in curves.items()
        ]


def _fit_one_by_one(
    fit: Fit, cohort: Cohort, context: Any, connection: Connection
) -> Sequence[TrialOutcome]:
    """Retrain each trial alone, to find the faulty one or because the cohort was too large."""
    alone = [Cohort((assignment,)) for assignment in cohort.assignments]
    return [outcome for one in alone for outcome in _fit_safely(fit, one, context, connection)]


def _end_with_driver(descriptor: int) -> None:
    """End this process at once when the driver's end of the connection closes.

    Otherwise an orphan would train until its next message, beside the workers of a new driver.
    """
    poller = select.poll()
    poller.register(descriptor, 0)  # hang-up is always reported, and nothing else is asked for
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll()):
        pass
    os._exit(1)
