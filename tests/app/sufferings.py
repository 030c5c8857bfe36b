"""What a worker does in tests: the real fit, but the machine and the trials do their worst."""

import os
import resource
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Cohort, EpochScores, TrialOutcome

RAISES, EXHAUSTS, IS_KILLED = 1, 4, 6
GIBIBYTE = 2**30


def fit_and_suffer(
    cohort: Cohort, data: PreparedData, report: Callable[[EpochScores], None]
) -> Sequence[TrialOutcome]:
    """Fit as always; after its first epoch a trial suffers what its number says."""

    def report_and_suffer(scores: EpochScores) -> None:
        report(scores)
        match scores.number:
            case n if n == RAISES:
                message = "planted"
                raise RuntimeError(message)
            case n if n == EXHAUSTS:
                _exhaust_memory()
            case n if n == IS_KILLED:  # as the kernel does where memory runs out
                os.kill(os.getpid(), signal.SIGKILL)

    return fit_cohort(cohort, data, report_and_suffer)


def _exhaust_memory() -> None:
    """Ask for more than a limit that this process is given meanwhile."""
    n_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = n_pages * resource.getpagesize() + GIBIBYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        torch.ones(GIBIBYTE)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
