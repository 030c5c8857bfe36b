"""Two parameters whose effects depend on one another."""

from dataclasses import dataclass
from typing import Any

from pipeline.config import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """What two parameters do together, the others being as in the best settings.

    Attributes:
        parameters: Their names, as the study file orders them.
        values: Where it is told, of each.
        losses: By how much each pair of values is above the best pair, as the search compares
            values; by the first parameter's values, then by the second's.
        sds: Standard deviation of each of these differences; 0 at the best pair.
        share: The part of the differences between pairs that neither effect alone makes, in [0, 1].
        sentence: What it comes to, in words.
    """

    parameters: tuple[str, str]
    values: tuple[tuple[Scalar, ...], tuple[Scalar, ...]]
    losses: tuple[tuple[float, ...], ...]
    sds: tuple[tuple[float, ...], ...]
    share: float
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """The interaction as the command line's JSON holds it."""
        return {
            "parameters": list(self.parameters),
            "values": [list(values) for values in self.values],
            "above_best": [list(losses) for losses in self.losses],
            "sd": [list(sds) for sds in self.sds],
            "share": self.share,
            "words": self.sentence,
        }
