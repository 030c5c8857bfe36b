"""Why a search ended before all its trials were done (``search.until: settled``)."""

from typing import Any

from pipeline.config import Frozen


class Settled(Frozen):
    """A search in which more trials would gain nothing that is larger than noise.

    Losses are the study's objective, its negative where it is maximised.

    Attributes:
        at: How many trials there were; those of the finalists come after them.
        n_trials: The study's total, those of the finalists included; a larger ``trials`` of the
            study file does not change it.
        gained: By how much the latest blocks lowered the lowest predicted mean.
        expected: By how much the next trial is expected to lower it.
        noise: Standard deviation of a setting's value over seeds.
    """

    at: int
    n_trials: int
    gained: float
    expected: float
    noise: float

    def as_json(self) -> dict[str, Any]:
        """Where and why, as the command line's JSON holds it."""
        return self.model_dump() | {"why": self.sentence}

    @property
    def sentence(self) -> str:
        """What the study's result says of it."""
        return (
            f"settled after {self.at} trials: the latest gained {self.gained:.2g} and the next is "
            f"expected to gain {self.expected:.2g}, both below half the noise of {self.noise:.2g}"
        )
