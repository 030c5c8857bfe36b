"""What a peer is given and what it gives back."""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.settings import Setting

FILE: Final = "task.json"


@dataclass(frozen=True, kw_only=True)
class Task:
    """Settings to train, all for the same number of epochs on the same rows.

    Attributes:
        data: A study file's ``data`` section; the peers read its rows from the work folder.
        data_dir: Where this project finds the data set.
        seed: The study's, from which the split comes.
        n_trials: Trials that a search makes beyond the settings; 0: the settings are all.
    """

    data: Mapping[str, Any]
    data_dir: str | None
    settings: Sequence[Setting]
    epochs: int
    seed: int = 0
    n_trials: int = 0

    def write(self, folder: Path) -> None:
        """Leave the task in a work folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the task of a work folder."""
        document = json.loads((folder / FILE).read_text(encoding="utf-8"))
        settings = [
            Setting(**entry | {"dropouts": tuple(entry["dropouts"])})
            for entry in document.pop("settings")
        ]
        return cls(settings=settings, **document)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training came to, in Unix seconds.

    Attributes:
        began: When the first trial began.
        ended: When the last trial ended.
        values: The lowest validation loss of each setting, in the task's order.
        completed: When each trial was complete, where a peer can tell.
    """

    began: float
    ended: float
    values: Sequence[float]
    completed: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a peer prints.

    Attributes:
        seconds: From the first trial's begin to the last one's end.
        start_up: From the process's start to the first trial's begin.
        values: The lowest validation loss of each setting.
        completed: Seconds from the first trial's begin to each trial's completion.
    """

    seconds: float
    start_up: float
    values: Sequence[float]
    completed: Sequence[float] = field(default_factory=list)

    @classmethod
    def of(cls, trained: Trained, *, started: float) -> Self:
        """Take a process's start off."""
        return cls(
            seconds=trained.ended - trained.began,
            start_up=trained.began - started,
            values=trained.values,
            completed=[time - trained.began for time in trained.completed],
        )

    def as_line(self) -> str:
        """Write the result as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_output(cls, stdout: str) -> Self:
        """Read the result from the last line that a peer printed."""
        return cls(**json.loads(stdout.splitlines()[-1]))


def train_as_peer(train: Callable[[Task, Path], Trained]) -> None:
    """Be a peer's process: read the task, train, print the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, help="folder of the task and the rows")
    parser.add_argument("--started", type=float, default=time.time(), help="Unix time of the start")
    options = parser.parse_args()
    trained = train(Task.read(options.work), options.work)
    print(Result.of(trained, started=options.started).as_line(), flush=True)


def n_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))
