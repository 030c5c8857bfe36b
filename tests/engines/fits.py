"""What workers do in these tests; the engine imports it by name."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import TrialConfig, check_study
from pipeline.trial import Assignment, Cohort, EpochScores, TrialOutcome, TrialState
from tests.fakes import epoch_scores, fake_fit

Report = Callable[[EpochScores], None]
SLEEP_SECONDS = 60.0


class Unpicklable:
    """Can be sent, but not received."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how to build it: with a call that fails."""
        return int, ("no context",)


def cohort_of(*numbers: int, epochs: int = 3) -> Cohort:
    """A cohort of small trials."""
    return Cohort(tuple(Assignment(config=config(n), epochs=epochs) for n in numbers))


def config(number: int) -> TrialConfig:
    """A small trial."""
    space = {"depth": 1, "width": 8, "dropout": 0.5, "batch_size": 8, "learning_rate": 0.1}
    document = {
        "name": "small",
        "data": {"name": "digits"},
        "model": {"name": "mlp"},
        "space": space,
        "training": {"epochs": 3},
        "search": {"trials": 1},
    }
    study = check_study(document, "small.yaml")
    return TrialConfig(
        study=study.name,
        number=number,
        study_seed=0,
        data=study.data,
        model=study.model,
        training=study.training.of_trial({}),
        params=space | {"input_dropout": 0.0, "weight_decay": 0.0},
    )


def fit(cohort: Cohort, context: Any, report: Report) -> Sequence[TrialOutcome]:
    """Do as the number of a cohort's last trial says.

    Trial 66 raises after an epoch, 67 wants to exit, 70 kills its worker each time, 71 and 72
    twice and once; 80 sleeps, 81 and 82 until they are told to go; the rest are faked. Deaths are
    counted in the context's folder, and beside them stands who was in the cohort.
    """
    number = max(cohort.numbers)
    match number:
        case 66:
            report(epoch_scores(number, 1, 0.5))
            message = "planted"
            raise RuntimeError(message)
        case 67:
            sys.exit("planted")
        case 70 | 71 | 72:
            report(epoch_scores(number, 1, 0.5))
            with (context / "cohorts").open("a") as file:
                file.write(f"{cohort.numbers}\n")
            _die(context, number, times={70: 9, 71: 2, 72: 1}[number])
        case 80:
            report(epoch_scores(number, 1, 0.5))
            time.sleep(SLEEP_SECONDS)
        case 81 | 82:
            report(epoch_scores(number, 1, 0.5))
            while not (context / "go").exists():
                time.sleep(0.05)
        case 90:
            return [TrialOutcome(number=90, state=TrialState.COMPLETE, cause=str(context))]
        case 92 | 192 | 292:
            told = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {os.getpid()}"
            return [TrialOutcome(number=number, state=TrialState.COMPLETE, cause=told)]
        case 91:
            return [TrialOutcome(number=91, state=TrialState.COMPLETE, cause=str(os.getpid()))]
    return fake_fit(cohort, None, report)


def _die(folder: Path, number: int, *, times: int) -> None:
    mark = folder / f"deaths-{number}"
    deaths = len(mark.read_text()) if mark.exists() else 0
    if deaths < times:
        mark.write_text("x" * (deaths + 1))
        os.kill(os.getpid(), signal.SIGKILL)
