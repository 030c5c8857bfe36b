"""What is said of two parameters that act together, by rules from what each two values come to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.config import Scalar
from pipeline.search.sampling.surrogate import Matrix
from pipeline.trial.effects import NORMAL, RATE, shown, title_of

OUTER: Final = ("depth", "blocks", "width", "filters", "batch_size")
"""With so many of these the other parameter is best at this value, and not the reverse."""


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What each two values of two parameters come to: those of the outer one by rows.

    Attributes:
        outer: The name of the one, by whose values the other is told.
        inner: The name of the other.
        rows: Values of the outer one.
        columns: Values of the inner one.
        losses: By how much above the best two, float [rows, columns].
        covariances: Of what they come to, float [rows * columns, rows * columns].
    """

    outer: str
    inner: str
    rows: tuple[Scalar, ...]
    columns: tuple[Scalar, ...]
    losses: Matrix
    covariances: Matrix

    @property
    def turned(self) -> "Surface":
        """The same, the inner one being the outer one."""
        order = np.arange(self.losses.size).reshape(self.losses.shape).T.ravel()
        return Surface(
            outer=self.inner,
            inner=self.outer,
            rows=self.columns,
            columns=self.rows,
            losses=self.losses.T,
            covariances=self.covariances[np.ix_(order, order)],
        )

    @property
    def sentence(self) -> str:
        """What the two do, as far as it can be told."""
        surfaces = [self, self.turned]
        if self.inner in OUTER and self.outer not in OUTER:
            surfaces.reverse()
        told = [*(one.crossing for one in surfaces), *(one.weight for one in surfaces)]
        general = f"what {self.outer} does depends on {self.inner}, and the reverse"
        return next(filter(None, told), general)

    @property
    def crossing(self) -> str | None:
        """Which inner value is best at either end of the outer ones; ``None``: not to be told."""
        one, other = (int(row.argmin()) for row in (self.losses[0], self.losses[-1]))
        with_first = self._is_above_0([(0, other, 1), (0, one, -1)])
        with_last = self._is_above_0([(-1, one, 1), (-1, other, -1)])
        if one == other or not (with_first and with_last):
            return None
        first, last = self.columns[one], self.columns[other]
        with_first_row = f"with {self.outer} {shown(self.rows[0])}"
        with_last_row = f"with {shown(self.rows[-1])}"
        if not RATE.fullmatch(self.inner):
            best = f"{self.inner} {shown(first)} is best"
            return f"{with_first_row} {best}, {with_last_row} {shown(last)}"
        more = "more" if float(first) > float(last) else "less"
        wants = f"{title_of(self.inner)} wants {more} dropout ({shown(first)})"
        return f"{with_first_row} {wants} than {with_last_row} ({shown(last)})"

    @property
    def weight(self) -> str | None:
        """With which outer value the inner one matters more; ``None``: not to be told."""
        spans = np.ptp(self.losses[[0, -1]], axis=1)
        much, little = (0, -1) if spans[0] > spans[1] else (-1, 0)
        bad, good = int(self.losses[much].argmax()), int(self.losses[much].argmin())
        cells = [(much, bad, 1), (much, good, -1)]
        if not (
            self._is_above_0([*cells, (little, bad, -1), (little, good, 1)])
            and self._is_above_0([*cells, (little, bad, 1), (little, good, -1)])
        ):
            return None
        lost = float(self.losses[much, bad] - self.losses[much, good])
        less = float(self.losses[little, bad] - self.losses[little, good])
        return (
            f"{self.inner} matters more with {self.outer} {shown(self.rows[much])} than with "
            f"{shown(self.rows[little])}: {shown(self.columns[bad])} instead of "
            f"{shown(self.columns[good])} makes {lost:.2g} there, {less:.2g} here"
        )

    def _is_above_0(self, cells: Sequence[tuple[int, int, int]]) -> bool:
        """Whether a weighted sum of cells (row, column, weight) is above 0 beyond noise."""
        weights = np.zeros_like(self.losses)
        for row, column, weight in cells:
            weights[row, column] += weight
        total = float((weights * self.losses).sum())
        variance = float(weights.ravel() @ self.covariances @ weights.ravel())
        return total > NORMAL * math.sqrt(max(variance, 0.0))
