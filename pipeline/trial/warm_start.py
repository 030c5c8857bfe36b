"""What a study takes over from an earlier one (``search.warm_start``)."""

import hashlib
import json
from typing import Any

from pydantic import Field

from pipeline.config import Frozen, Params


class TakenOutcome(Frozen):
    """What a setting came to in another study, within the epochs of this one.

    Attributes:
        trial: Its number there.
        params: Those that its network had.
        value: The best score or, where the trial was stopped, a forecast of it.
        doubt: Standard deviation of the forecast; 0 where the value was measured.
    """

    trial: int
    params: Params
    value: float
    doubt: float = Field(ge=0)


class WarmStart(Frozen):
    """Outcomes of another study, as they were when this study was created.

    Attributes:
        study: The other study's name.
    """

    study: str
    outcomes: tuple[TakenOutcome, ...]

    @property
    def file(self) -> bytes:
        """The content of ``warm_start.json``."""
        return json.dumps(self.model_dump(), sort_keys=True, indent=1).encode()

    @property
    def sha256(self) -> str:
        """The digest of the file, as ``sha256sum`` prints it."""
        return hashlib.sha256(self.file).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """What the command line's JSON says of it."""
        return {"study": self.study, "outcomes": len(self.outcomes), "sha256": self.sha256}

    @property
    def sentence(self) -> str:
        """What the study's result says of it."""
        return f"began with {len(self.outcomes)} outcomes of study {self.study}"
