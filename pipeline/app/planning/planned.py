"""What a plan of a study has found, as the command line and Python give it."""

from dataclasses import dataclass
from typing import Any

from pipeline.trial import DataSummary, Duration, Fault, Machine, Needs, Speed


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a study would meet if it ran now.

    Attributes:
        study: Its name.
        file: What errors call it.
        faults: What makes it fail, or be pointless.
        warnings: What is worth knowing and stops nobody.
        duration: ``None`` where nothing could be measured.
        needs: Of the machine; ``None`` where nobody knows.
        machine: What there is.
        data: What the data are; ``None`` of the user's own module, or where they are not here.
        speeds: What was measured.
        seconds: How long the plan took.
    """

    study: str
    file: str
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    duration: Duration | None
    needs: Needs | None
    machine: Machine
    data: DataSummary | None
    speeds: tuple[Speed, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing was found that makes the study fail or be pointless."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """The plan as ``plan --json`` prints it."""
        unknown: dict[str, Any] = {"predicted_seconds": None, "seconds": {}, "epochs": None}
        return {
            "study": self.study,
            "ok": self.ok,
            "faults": [fault.as_json() for fault in self.faults],
            "warnings": [fault.as_json() for fault in self.warnings],
            **(self.duration.as_json() if self.duration else unknown),
            "workers": self.machine.n_workers,
            "device": self.machine.device,
            "memory": {
                "worker_bytes": self.needs and self.needs.worker_memory,
                "free_bytes": self.machine.free_memory,
            },
            "disk": {
                "needed_bytes": self.needs and self.needs.disk,
                "free_bytes": self.machine.free_disk,
            },
            "plan_seconds": round(self.seconds, 1),
        }
