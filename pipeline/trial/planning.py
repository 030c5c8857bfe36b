"""What is found out about a study before it runs: faults, what its data are, how fast it trains."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.config import TrialConfig


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a study before it runs.

    Attributes:
        where: The key of the study file, or the option.
        what: What was got, what was expected, and what to do.
        is_warning: Whether the study is worth running all the same.
    """

    where: str
    what: str
    is_warning: bool = False

    def as_json(self) -> dict[str, str]:
        """The fault as ``plan --json`` prints it."""
        return {"where": self.where, "what": self.what}

    def __str__(self) -> str:
        """``space.dropout: got ..., expected ...``."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSummary:
    """What the training part of a data set holds, once it is split as the study says.

    Attributes:
        n_train: Rows to train on; of folds the first one's.
        n_validation: Rows to validate on.
        classes: Rows of each class to train on and to validate on; empty where targets are numbers.
        is_constant: Whether all rows are the same.
        largest_input: The largest absolute value, as the network gets it.
        n_repeated: Validation rows that are training rows, too.
    """

    n_train: int
    n_validation: int
    classes: tuple[tuple[int, int], ...] = ()
    is_constant: bool = False
    largest_input: float = 1.0
    n_repeated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What it takes to train a cohort for an epoch, measured.

    Attributes:
        config: One of its trials.
        n_members: How many trials were trained together.
        epoch_seconds: Of all of them together, validation included.
        n_parameters: Weights of one network.
        losses: The losses by epoch of each trial that was trained on all rows.
    """

    config: TrialConfig
    n_members: int
    epoch_seconds: float
    n_parameters: int
    losses: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a study would run on.

    Attributes:
        n_cores: Processors that this process may use.
        free_memory: Bytes; of a GPU where that trains.
        free_disk: Bytes, where the home is.
        n_workers: Worker processes.
        device: What a worker trains on: ``cpu``, ``cuda`` or ``mps``.
    """

    n_cores: int
    free_memory: int
    free_disk: int
    n_workers: int
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a study takes of a machine, in bytes.

    Attributes:
        worker_memory: Of the worker that trains the largest cohort.
        disk: Weights, checkpoints, both ledgers, and the decoded data.
    """

    worker_memory: int
    disk: int

    def as_json(self) -> dict[str, int]:
        """Bytes by what they are for."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long a study takes.

    Attributes:
        low: Seconds; nine of ten studies take longer.
        high: Seconds; nine of ten take less.
        parts: The seconds of the middle estimate by what they are spent on.
        epochs: The fewest and the most epochs of all trials together.
    """

    low: float
    high: float
    parts: Mapping[str, float] = field(default_factory=dict)
    epochs: tuple[int, int] = (0, 0)

    def as_json(self) -> dict[str, Any]:
        """The estimate as ``plan --json`` prints it."""
        return {
            "predicted_seconds": [round(self.low, 1), round(self.high, 1)],
            "seconds": {name: round(spent, 1) for name, spent in self.parts.items()},
            "epochs": list(self.epochs),
        }
