"""Where the seconds of a study went, over all runs of it."""

from collections.abc import Mapping, Sequence
from typing import Self

from pipeline.config import Frozen

Seconds = Mapping[str, float]
"""Seconds by what they were spent on."""


class RunTime(Frozen):
    """Where the seconds of one ``pipeline run`` went, up to the closing of its ledgers.

    Attributes:
        began: When the command began, UTC in ISO 8601: what tells it from other runs.
        n_workers: Its workers.
        seconds: Where the wall time went; ``total`` is the sum of the others.
        start_up: What the start-up waited for.
        machinery: What the machinery took, whether or not a worker waited for it.
    """

    began: str
    n_workers: int
    seconds: dict[str, float]
    start_up: dict[str, float]
    machinery: dict[str, float]


class TimeSpent(Frozen):
    """``seconds.json``: one entry a run that came to its end or was interrupted, not killed."""

    runs: tuple[RunTime, ...] = ()

    @property
    def file(self) -> bytes:
        """The content of ``seconds.json``."""
        return self.model_dump_json(indent=1).encode()

    def with_run(self, run: RunTime) -> Self:
        """Add a run; one that is written again replaces itself."""
        others = [one for one in self.runs if one.began != run.began]
        return type(self)(runs=(*others, run))

    @property
    def seconds(self) -> dict[str, float]:
        """Where the wall time of all runs went."""
        return _sums([run.seconds for run in self.runs])

    @property
    def machinery(self) -> dict[str, float]:
        """What the machinery took in all runs."""
        return _sums([run.machinery for run in self.runs])


def _sums(parts: Sequence[Seconds]) -> dict[str, float]:
    """Add up by name, in the order of the first.

    >>> _sums([{"total": 2.0, "data": 1.0}, {"total": 3.0}])
    {'total': 5.0, 'data': 1.0}
    """
    names = dict.fromkeys(name for one in parts for name in one)
    return {name: sum(one.get(name, 0.0) for one in parts) for name in names}
