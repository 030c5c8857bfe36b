"""What a worker does in tests: the real fit of a long trial, that takes its time and dies once.

As a program it is the real command, whose workers do so: ``python -m tests.app.long_trials run …``.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.app import study
from pipeline.cli import main
from pipeline.trial import Cohort, EpochScores, TrialOutcome

LOG = "EPOCHS_LOG"
DIES_AT = 4


def fit_long(
    cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
) -> Sequence[TrialOutcome]:
    """Fit with a checkpoint after each epoch, and write down what is reported and when it ended.

    The first worker dies when its first trial's fourth epoch is over.
    """
    from pipeline.learning.checkpoints import keeper
    from pipeline.learning.cohort.fit import fit_cohort

    vars(keeper).update(CHECKPOINT_SECONDS=0.0, COST_FACTOR=0)
    log = Path(os.environ[LOG])

    def report_late(scores: EpochScores) -> None:
        time.sleep(0.05)
        report(scores)
        with log.open("a") as file:
            file.write(f"{scores.number} {scores.epoch} {scores.ended_at_ms}\n")
        mark = log.with_suffix(".died")
        if scores.epoch == DIES_AT and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return fit_cohort(cohort, context, report_late)


if __name__ == "__main__":
    study.FIT = "tests.app.long_trials:fit_long"
    main()
