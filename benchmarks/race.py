"""A race to a value: (a) sets it with its trials, this project reaches it with its own."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from benchmarks.case import DATA
from benchmarks.peer import DOCUMENTED, PEERS, run_peer
from benchmarks.peers.ours import pipeline
from benchmarks.rows import write_rows
from benchmarks.settings import (
    BATCH_SIZES,
    DEPTHS,
    DROPOUT,
    LEARNING_RATE,
    WEIGHT_DECAY,
    WIDTHS,
)
from benchmarks.task import Task

NAME: Final = "target"
AT_MOST: Final = 4
"""Times the trials of (a), after which this project gives up."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What (a) reached.

    Attributes:
        seconds: All its trials, start-up apart.
        first_seconds: Until the trial of that value was complete, start-up apart.
    """

    value: float
    seconds: float
    first_seconds: float
    start_up: float


@dataclass(frozen=True, kw_only=True)
class Reached:
    """When this project reached the goal.

    Attributes:
        value: The first value that is no worse, or else the lowest.
        seconds: Until that trial was complete, start-up apart; ``None``: not within its trials.
        start_up: Of every process until then.
        n_trials: Trials that the study had.
    """

    value: float
    seconds: float | None
    start_up: float
    n_trials: int


@dataclass(frozen=True, kw_only=True)
class Race:
    """One seed's goal, and when it was reached."""

    seed: int
    goal: Goal
    ours: Reached

    @property
    def ratio(self) -> float:
        """All the seconds of (a) by ours, start-up apart."""
        return self._times(self.goal.seconds)

    @property
    def ratio_to_first(self) -> float:
        """The seconds of (a) until its best trial by ours, start-up apart."""
        return self._times(self.goal.first_seconds)

    @property
    def ratio_with_start_up(self) -> float:
        """All the seconds of (a) by ours, each with its start-up."""
        return self._times(self.goal.seconds + self.goal.start_up, start_up=self.ours.start_up)

    def _times(self, seconds: float, *, start_up: float = 0.0) -> float:
        return 0.0 if self.ours.seconds is None else seconds / (self.ours.seconds + start_up)


def set_goal(seed: int, *, data: str, trials: int, epochs: int, data_dir: Path | None) -> Goal:
    """Let (a) search."""
    task = Task(
        data=DATA[data].section,
        data_dir=None,
        settings=[],
        epochs=epochs,
        seed=seed,
        n_trials=trials,
    )
    with TemporaryDirectory(prefix="bench-") as folder:
        task.write(Path(folder))
        write_rows(Path(folder), data=task.data, data_dir=data_dir, seed=seed)
        result = run_peer(PEERS[DOCUMENTED], Path(folder))
    value = min(result.values)
    first = result.completed[result.values.index(value)]
    return Goal(value=value, seconds=result.seconds, first_seconds=first, start_up=result.start_up)


def study_of(data: str, *, trials: int, epochs: int, seed: int) -> dict[str, Any]:
    """Write the study file of the space that (a) searches."""
    (low, high), (lowest_rate, highest_rate) = DROPOUT, LEARNING_RATE
    return {
        "name": NAME,
        "data": dict(DATA[data].section),
        "model": {"name": "mlp"},
        "space": {
            "depth": {"low": min(DEPTHS), "high": max(DEPTHS)},
            "width": {"choices": list(WIDTHS)},
            "dropout": {"low": low, "high": high, "per_layer": True},
            "batch_size": {"choices": list(BATCH_SIZES)},
            "learning_rate": {"low": lowest_rate, "high": highest_rate, "log": True},
            "weight_decay": WEIGHT_DECAY,
        },
        "training": {"epochs": epochs, "device": "cpu"},
        "search": {"trials": trials, "seed": seed},
    }


def reach(goal: Goal, study: Mapping[str, Any], options: Sequence[str]) -> Reached:
    """Run the study, and go on with more trials until the goal is reached or there are too many.

    Args:
        goal: What is to be reached.
        study: The study file.
        options: Of the command, ``--set search.block=16`` for example.
    """
    trials, spent, start_up = study["search"]["trials"], 0.0, 0.0
    with TemporaryDirectory(prefix="bench-") as folder:
        home, file = Path(folder), Path(folder, "study.yaml")
        file.write_text(yaml.safe_dump(dict(study)), encoding="utf-8")
        for n_trials in range(trials, AT_MOST * trials + 1, trials):
            began = time.time()
            done = pipeline("run", file, "--trials", str(n_trials), *options, home=home)
            start_up += done["seconds"]["start_up"]
            for ended, value in completed(home):
                if value <= goal.value:
                    seconds = spent + ended - began - start_up
                    return Reached(
                        value=value, seconds=seconds, start_up=start_up, n_trials=n_trials
                    )
            spent += time.time() - began
        lowest = min(value for _, value in completed(home))
    return Reached(value=lowest, seconds=None, start_up=start_up, n_trials=AT_MOST * trials)


def completed(home: Path) -> list[tuple[float, float]]:
    """When each complete trial ended, in Unix seconds, and its value; the earliest first."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(home / "optuna.journal")))
    study = optuna.load_study(study_name=NAME, storage=storage)
    ends = [
        (trial.datetime_complete.timestamp(), trial.value)
        for trial in study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        if trial.datetime_complete is not None and trial.value is not None
    ]
    return sorted(ends)
