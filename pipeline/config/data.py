"""The data section of a study file."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Strict, Tag

from pipeline.config.frozen import Frozen


def _kind(value: object) -> str:
    return "(fraction)" if isinstance(value, float) else "(rows)"


Fraction = Annotated[Annotated[float, Strict(), Field(gt=0, lt=1)], Tag("(fraction)")]
Rows = Annotated[Annotated[int, Strict(), Field(ge=1)], Tag("(rows)")]
RowsOrNone = Annotated[Annotated[int, Strict(), Field(ge=0)], Tag("(rows)")]

DataName = Literal["mnist-5k", "digits", "mnist", "fashion-mnist"]


class DataConfig(Frozen):
    """Which data, and how much of it is kept for validation and for the test.

    Attributes:
        name: One of the built-in data sets.
        validation: Part of the rows left after the test rows are taken: a fraction in (0, 1)
            or a count of rows.
        test: Part of the whole: a fraction, a count, or 0 for none. ``None`` means the set's
            own test part or, where it has none, 0.2 of the whole.
    """

    name: DataName
    validation: Annotated[Fraction | Rows, Discriminator(_kind)] = 0.2
    test: Annotated[Fraction | RowsOrNone, Discriminator(_kind)] | None = None
