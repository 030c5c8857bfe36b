"""What a score comes to along a parameter, the others as in all trained settings."""

from dataclasses import dataclass
from typing import Any

from pipeline.config import Scalar
from pipeline.trial.effects import NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """A smoothed mean of a score by a parameter's value.

    Attributes:
        parameter: Its name.
        values: Where it is told, ascending; of words, in the order of the study file.
        means: Of the score, in the mean over the settings of the trials.
        sds: Standard deviation of each.
        rises: By how much each is above that of a reference value.
        rise_sds: Standard deviation of each of these differences; 0 at the reference.
        is_ordered: Whether the values are numbers.
    """

    parameter: str
    values: tuple[Scalar, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    rises: tuple[float, ...]
    rise_sds: tuple[float, ...]
    is_ordered: bool

    @property
    def lows(self) -> tuple[float, ...]:
        """The lower end of each 95 % interval."""
        return tuple(m - NORMAL * sd for m, sd in zip(self.means, self.sds, strict=True))

    @property
    def highs(self) -> tuple[float, ...]:
        """The upper end of each 95 % interval."""
        return tuple(m + NORMAL * sd for m, sd in zip(self.means, self.sds, strict=True))

    def is_told(self, index: int) -> bool:
        """Whether a value's rise, or fall, can be told from none."""
        return abs(self.rises[index]) > NORMAL * self.rise_sds[index]

    def as_json(self) -> dict[str, Any]:
        """The curve as JSON holds it."""
        return {
            "values": list(self.values),
            "mean": list(self.means),
            "low": list(self.lows),
            "high": list(self.highs),
        }
