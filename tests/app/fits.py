"""What workers do in tests: the real fit, in a world that disturbs it.

As a program it is the real command, whose workers do what the first word names:
``python -m tests.app.fits fit_with_delays run FILE``.
"""

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from pipeline.app import training
from pipeline.learning.checkpoints import states
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Cohort, EpochScores, TrialOutcome, TrialState

Report = Callable[[EpochScores], None]

DIES_AT = 4
"""The epoch after which ``fit_long`` dies once."""
RAISES, EXHAUSTS, IS_KILLED = 1, 4, 6
"""The trials that suffer in ``fit_and_suffer``."""
GIBIBYTE = 2**30
REAL_TIME, REAL_TIME_NS, BEGAN = time.time, time.time_ns, time.monotonic()


def fit_with_delays(cohort: Cohort, data: PreparedData, report: Report) -> Sequence[TrialOutcome]:
    """Sleep up to ``DELAY_SECONDS`` before the trial and after each epoch."""
    clock = random.SystemRandom()
    most = float(os.environ.get("DELAY_SECONDS", "0.05"))

    def report_late(scores: EpochScores) -> None:
        time.sleep(clock.uniform(0, most))
        report(scores)

    time.sleep(clock.uniform(0, 2 * most))
    return fit_cohort(cohort, data, report_late)


def fit_while_the_clock_goes_back(
    cohort: Cohort, data: PreparedData, report: Report
) -> Sequence[TrialOutcome]:
    """Set the clock back by a day each second."""
    set_clock_back()
    return fit_cohort(cohort, data, report)


def set_clock_back() -> None:
    """Let this process's clock go back by a day each second."""

    def shift() -> int:
        return 86_400 * int(time.monotonic() - BEGAN)

    time.time = lambda: REAL_TIME() - shift()
    time.time_ns = lambda: REAL_TIME_NS() - shift() * 10**9


def fit_and_tell_gpu(cohort: Cohort, data: PreparedData, report: Report) -> Sequence[TrialOutcome]:
    """Note which GPU this process sees."""
    with Path(os.environ["GPUS_SEEN"]).open("a") as seen:
        seen.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\n")
    return fit_cohort(cohort, data, report)


def fit_and_die_once(cohort: Cohort, data: PreparedData, report: Report) -> Sequence[TrialOutcome]:
    """Be killed from outside in trial 5 or later, once."""
    mark = Path(os.environ["KILLED_ONCE"])

    def report_and_die(scores: EpochScores) -> None:
        report(scores)
        if scores.number >= 5 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.Signals[os.environ["KILLED_WITH"]])

    return fit_cohort(cohort, data, report_and_die)


def fit_long(cohort: Cohort, data: PreparedData, report: Report) -> Sequence[TrialOutcome]:
    """Leave a checkpoint after each epoch, and log what is reported and when it ended.

    The first worker dies when its first trial's fourth epoch is over.
    """
    vars(states).update(CHECKPOINT_SECONDS=0.0, COST_FACTOR=0)
    log = Path(os.environ["EPOCHS_LOG"])

    def report_late(scores: EpochScores) -> None:
        time.sleep(0.05)
        report(scores)
        with log.open("a") as file:
            file.write(f"{scores.number} {scores.epoch} {scores.ended_at_ms}\n")
        mark = log.with_suffix(".died")
        if scores.epoch == DIES_AT and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return fit_cohort(cohort, data, report_late)


def fit_and_fail(cohort: Cohort, data: PreparedData, report: Report) -> Sequence[TrialOutcome]:
    """Fail what ``FAILING`` names: ``7/2`` is trial 7's repeat 2, or ``all``."""
    failing = os.environ["FAILING"].split()
    sound = [
        one
        for one in cohort.assignments
        if not {"all", f"{one.config.number}/{one.config.repeat}"} & set(failing)
    ]
    trained = fit_cohort(Cohort(tuple(sound)), data, report) if sound else []
    done = {outcome.key: outcome for outcome in trained}
    return [
        done.get((number, repeat))
        or TrialOutcome(
            number=number, repeat=repeat, state=TrialState.FAIL, cause="diverged: on purpose"
        )
        for number, repeat in cohort.keys
    ]


def fit_nothing(cohort: Cohort, _data: PreparedData, _report: Report) -> Sequence[TrialOutcome]:
    """Fail every trial at once."""
    return [
        TrialOutcome(number=number, state=TrialState.FAIL, cause="out of luck")
        for number in cohort.numbers
    ]


def fit_and_suffer(cohort: Cohort, data: PreparedData, report: Report) -> Sequence[TrialOutcome]:
    """After its first epoch a trial raises, runs out of memory or is killed, by its number."""

    def report_and_suffer(scores: EpochScores) -> None:
        report(scores)
        match scores.number:
            case n if n == RAISES:
                message = "planted"
                raise RuntimeError(message)
            case n if n == EXHAUSTS:
                exhaust_memory()
            case n if n == IS_KILLED:  # as the kernel does where memory runs out
                os.kill(os.getpid(), signal.SIGKILL)

    return fit_cohort(cohort, data, report_and_suffer)


def exhaust_memory() -> None:
    """Ask for more than a limit that this process is given meanwhile."""
    n_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = n_pages * resource.getpagesize() + GIBIBYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        torch.ones(GIBIBYTE)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


if __name__ == "__main__":
    from pipeline.cli import main

    fit = sys.argv.pop(1)
    training.FIT = f"tests.app.fits:{fit}"
    if fit == fit_while_the_clock_goes_back.__name__:
        set_clock_back()
    main()
