"""How long a study still takes, from the rate of its own epochs."""

import math
from dataclasses import dataclass
from statistics import fmean
from typing import Final

MIN_TRIALS: Final = 8
"""So many trials, or a quarter of the study's, tell how long a trial is."""
MIN_EPOCHS: Final = 8
"""So many epochs of this run tell how fast it is."""
SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    """Seconds until a study's last trial ends.

    Attributes:
        is_at_most: The seconds are those of trials that are all trained to their last epoch.
    """

    seconds: float
    is_at_most: bool = False

    def until(self, seconds: float) -> "TimeLeft":
        """The same, where no trial begins after so many seconds."""
        return TimeLeft(seconds=max(seconds, 0.0)) if seconds < self.seconds else self

    def __str__(self) -> str:
        """``about 2 min left``."""
        most = "at most " * self.is_at_most
        return f"{most}about {rounded(self.seconds)} left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is done of a study, and what is left.

    Attributes:
        total: Trials of the study.
        most_epochs: Those of a trial that nothing stops.
        ended: Epochs of each trial that has ended.
        whole: Those of the complete ones among them.
        running: Epochs so far of each trial that is under way.
        n_finalists: Trials not begun that no stopping rule ends.
        rate: Epochs a second in this run; 0 where they are too few to tell.
    """

    total: int
    most_epochs: int
    ended: list[int]
    whole: list[int]
    running: list[int]
    n_finalists: int
    rate: float

    def time_left(self) -> TimeLeft | None:
        """When it will be done; ``None`` where there is nothing to tell it from.

        Until enough trials have ended to know their length, an upper bound: as if each of the
        others were trained to its last epoch.
        """
        if not self.rate:
            return None
        if len(self.ended) < min(MIN_TRIALS, math.ceil(self.total / 4)):
            most = self._epochs(self.most_epochs, self.most_epochs)
            return TimeLeft(seconds=most / self.rate, is_at_most=True)
        usual = fmean(self.ended)
        whole = fmean(self.whole) if self.whole else usual
        return TimeLeft(seconds=self._epochs(usual, whole) / self.rate)

    def _epochs(self, usual: float, whole: float) -> float:
        """Epochs that are left, where a trial has ``usual`` ones and one that goes on ``whole``."""
        n_new = max(self.total - len(self.ended) - len(self.running) - self.n_finalists, 0)
        going_on = sum(max((usual if n < usual else whole) - n, 1.0) for n in self.running)
        return going_on + n_new * usual + self.n_finalists * whole


def rounded(seconds: float) -> str:
    """Seconds as a person says them, no finer than they can be known.

    >>> [rounded(seconds) for seconds in (3, 42, 130, 1_000, 5_000, 100_000)]
    ['5 s', '45 s', '2 min 10 s', '17 min', '1 h 25 min', '1 d 4 h']
    """
    if seconds < MINUTE - 2.5:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    if seconds < 10 * MINUTE - 5:
        return _two(round(seconds / 10) * 10, MINUTE, "min", SECOND, "s")
    if seconds < HOUR - 30:
        return f"{round(seconds / MINUTE)} min"
    if seconds < DAY - 150:
        return _two(round(seconds / 300) * 300, HOUR, "h", MINUTE, "min")
    return _two(round(seconds / HOUR) * HOUR, DAY, "d", HOUR, "h")


def _two(seconds: int, large: int, of_large: str, small: int, of_small: str) -> str:
    """A number of two units; the second is left out where it is 0."""
    n_large, rest = divmod(seconds, large)
    n_small = rest // small
    return f"{n_large} {of_large}" + (f" {n_small} {of_small}" if n_small else "")
