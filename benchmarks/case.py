"""A case: one list of settings on one data set, and what each peer made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from benchmarks.rows import write_rows
from benchmarks.settings import LISTS
from benchmarks.task import Result, Task


class Data(NamedTuple):
    """A data set: a study file's ``data`` section, and for how many epochs it is trained on."""

    section: Mapping[str, Any]
    epochs: int


DATA: Final = {
    "fashion-mnist": Data({"name": "fashion-mnist", "validation": 12_000}, epochs=4),
    "mnist-5k": Data({"name": "mnist-5k", "validation": 1_000, "test": 0}, epochs=10),
    "digits": Data({"name": "digits", "validation": 400, "test": 0}, epochs=2),
}
"""The last one is small, to try the benchmark out."""
LARGEST_DIFFERENCE: Final = 0.1
"""How far a peer's values may lie from the others', relative, as a median over the settings."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one peer made of a case; one entry a repetition.

    Attributes:
        seconds: From the first trial's begin to the last one's end.
        start_up: Seconds from the process's start to the first trial's begin.
        values: The lowest validation loss of each setting, of the first repetition.
    """

    seconds: Sequence[float]
    start_up: Sequence[float]
    values: Sequence[float]

    @classmethod
    def of(cls, result: Result) -> "Measured":
        """Take the first repetition."""
        return cls(seconds=[result.seconds], start_up=[result.start_up], values=result.values)

    def again(self, result: Result) -> "Measured":
        """Add a repetition."""
        return Measured(
            seconds=[*self.seconds, result.seconds],
            start_up=[*self.start_up, result.start_up],
            values=self.values,
        )

    @property
    def trials_an_hour(self) -> float:
        """Trials an hour, start-up apart, of the median repetition."""
        return 3_600 * len(self.values) / median(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One list of settings on one data set.

    Attributes:
        peers: What each peer made of it, by the peer's name.
        missing: What a peer that was left out needs, by the peer's name.
        failed: The end of what a failed peer said, by its name.
    """

    data: str
    list_name: str
    n_trials: int
    epochs: int
    peers: dict[str, Measured] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name the case in words."""
        epochs = f"{self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        return f"{self.data}, {self.list_name}: {self.n_trials} trials of {epochs}"

    def ratio(self, peer: str, to: str) -> float | None:
        """How many times the trials an hour of another peer; ``None`` where one is not there."""
        if peer not in self.peers or to not in self.peers:
            return None
        return self.peers[peer].trials_an_hour / self.peers[to].trials_an_hour

    def difference(self, peer: str) -> float:
        """How far a peer's values lie from the median peer's: relative, median of settings."""
        columns = zip(*(measured.values for measured in self.peers.values()), strict=True)
        middle = [median(column) for column in columns]
        pairs = zip(self.peers[peer].values, middle, strict=True)
        return float(median(abs(value - usual) / usual for value, usual in pairs))

    @property
    def strangers(self) -> list[str]:
        """The peers whose values say that they train something else."""
        return [peer for peer in self.peers if self.difference(peer) > LARGEST_DIFFERENCE]

    @property
    def is_sound(self) -> bool:
        """Whether no peer failed and all trained the same."""
        return not (self.failed or self.strangers)


def write_task(
    work: Path,
    *,
    data: str,
    list_name: str,
    epochs: int | None,
    n_trials: int | None,
    data_dir: Path | None,
) -> Case:
    """Leave a case's task and rows in a work folder.

    Args:
        work: The folder; made here.
        data: A name of ``DATA``.
        list_name: A name of ``LISTS``.
        epochs: Instead of the data set's usual ones.
        n_trials: Only so many of the list.
        data_dir: Where data sets lie, in torchvision's layout.
    """
    section, usual_epochs = DATA[data]
    task = Task(
        data=section,
        data_dir=None if data_dir is None else str(data_dir.absolute()),
        settings=LISTS[list_name]()[:n_trials],
        epochs=epochs or usual_epochs,
    )
    work.mkdir()
    task.write(work)
    write_rows(work, data=section, data_dir=data_dir, seed=task.seed)
    return Case(data=data, list_name=list_name, n_trials=len(task.settings), epochs=task.epochs)
