"""Measure some of a study's models before it runs: its corners, and cohorts that it will train."""

import time
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Final

from pipeline.app.first_batch import try_first_batch
from pipeline.app.inputs import Data
from pipeline.config import Params, StudyConfig, TrialConfig
from pipeline.config.space.corners import corner_settings
from pipeline.errors import BadInputError
from pipeline.trial import (
    Assignment,
    Cohort,
    EpochScores,
    Fault,
    Needs,
    Speed,
    TrialOutcome,
)

if TYPE_CHECKING:
    from pipeline.engines import LocalEngine
    from pipeline.learning.measurement import Workbench

Cohorts = Sequence[Sequence[Assignment]]
N_MEASURED: Final = 6
"""So many cohorts are measured, from the cheapest to the dearest."""
N_EPOCHS: Final = 3
"""Of a user's module; the first one warms up."""
TICK_SECONDS: Final = 0.2
FIRST_SECONDS: Final = 5.0
"""So long the first epoch of a user's module is waited for."""
TRIAL_BYTES: Final = 100_000
"""What MLflow and Optuna take of a trial beside its epochs and weights."""
EPOCH_BYTES: Final = 2_000
WORKER_BYTES: Final = 400 * 2**20
"""Of a worker that has imported torch and Lightning and has no network yet."""
SINGLE: Final = 4
"""Bytes of a float32."""


def trial_of(study: StudyConfig, params: Params) -> TrialConfig:
    """A setting as a trial of the study."""
    from pipeline.search.blocks import resolve

    return resolve(study, 0, params)


def try_corners(study: StudyConfig, bench: "Workbench", fits: int) -> Iterator[Fault]:
    """Build each corner of the space and make one step.

    Args:
        study: Of a built-in model.
        bench: Its data.
        fits: Bytes of memory: what takes more is not built.
    """
    for title, params in corner_settings(study).items():
        config = trial_of(study, params)
        if bench.memory_bytes(config) > fits:
            continue  # the machine's faults say so
        if cause := bench.try_step(config):
            setting = ", ".join(f"{name} {value}" for name, value in params.items())
            yield Fault("space", f"{title} fails on its first step (with {setting}): {cause}")


def representatives(cohorts: Cohorts) -> Cohorts:
    """A few cohorts from the cheapest to the dearest, which is the first: it counts most.

    Args:
        cohorts: By their price, the dearest last.
    """
    n_chosen = min(N_MEASURED, len(cohorts))
    step = (len(cohorts) - 1) / max(n_chosen - 1, 1)
    return [cohorts[round(len(cohorts) - 1 - number * step)] for number in range(n_chosen)]


def measure_cohorts(cohorts: Cohorts, bench: "Workbench", *, seconds: float) -> list[Speed]:
    """Measure some cohorts of a built-in model within a time."""
    deadline = time.perf_counter() + seconds
    chosen = representatives(cohorts)
    speeds: list[Speed] = []
    for number, assignments in enumerate(chosen):
        left = deadline - time.perf_counter()
        if speeds and left < 0:
            break
        share = max(left, 0.0) / (len(chosen) - number)
        if speed := bench.measure(assignments, seconds=share):
            speeds.append(speed)
    return speeds


def needs_of(study: StudyConfig, cohorts: Cohorts, bench: "Workbench", *, n_workers: int) -> Needs:
    """What the trials of a study take of memory and disk.

    Args:
        study: The study.
        cohorts: Of the part that was rehearsed; of trials that pause there are two.
        bench: Knows the networks' sizes.
        n_workers: Each keeps a checkpoint of its cohort.
    """
    trial_bytes = TRIAL_BYTES + EPOCH_BYTES * study.training.most_epochs
    sizes = {one.config.number: one.config for cohort in cohorts for one in cohort}
    weights = {number: SINGLE * bench.count_parameters(one) for number, one in sizes.items()}
    checkpoints = max(sum(3 * weights[one.config.number] for one in cohort) for cohort in cohorts)
    networks = max(sum(bench.memory_bytes(one.config) for one in cohort) for cohort in cohorts)
    return Needs(
        worker_memory=WORKER_BYTES + networks,
        disk=n_workers * checkpoints
        + study.search.trials * round(fmean(weights.values()) + trial_bytes),
    )


class CustomBench:
    """A worker that trains settings of a user's class.

    Args:
        study: Names the class.
        engine: One worker; whoever started it ends it.
        data: What the worker opens.
        where: What errors name.
    """

    def __init__(self, study: StudyConfig, engine: "LocalEngine", data: Data, where: str) -> None:
        self._study = study
        self._engine = engine
        self._where = where
        engine.open(data)

    def try_corners(self) -> Iterator[Fault]:
        """Train the first setting and each corner on one batch."""
        seen: set[str] = set()
        for params in (None, *corner_settings(self._study).values()):
            try:
                try_first_batch(self._study, self._engine, where=self._where, params=params)
            except BadInputError as error:
                what = error.problem.splitlines()[0]
                cause = what.rpartition("): ")[2]
                if cause not in seen:
                    yield Fault(error.key, what)
                seen.add(cause)

    def measure(self, cohorts: Cohorts, *, seconds: float) -> list[Speed]:
        """Train some settings for a few epochs, as far as there is time; the first one at least."""
        began = time.perf_counter()
        deadline = began + max(seconds, FIRST_SECONDS)
        speeds = []
        for assignments in representatives(cohorts)[::2]:
            if speed := self._measure(assignments[0], deadline):
                speeds.append(speed)
            if time.perf_counter() > began + seconds:
                break
        return speeds

    def _measure(self, assignment: Assignment, deadline: float) -> Speed | None:
        training = assignment.config.training.model_copy(update={"epochs": N_EPOCHS})
        config = assignment.config.model_copy(update={"training": training})
        self._engine.submit(Cohort((Assignment(config=config, epochs=N_EPOCHS),)))
        epochs: list[float] = []
        n_parameters = 0
        while time.perf_counter() < deadline:
            events = self._engine.events(TICK_SECONDS)
            epochs += [one.epoch_seconds for one in events if isinstance(one, EpochScores)]
            ends = [one for one in events if isinstance(one, TrialOutcome)]
            if ends:
                n_parameters = ends[0].n_parameters
                break
        if not epochs:
            return None
        return Speed(
            config=config,
            n_members=1,
            epoch_seconds=min(epochs[1:] or epochs),
            n_parameters=n_parameters,
        )
