"""The search section of a study file."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    Strict,
    model_validator,
)

from pipeline.config.frozen import Count, Growing, OutOfLimitsError, Seed

SamplerName = Literal["tpe", "random", "qmc", "grid", "gp"]
StoppingName = Literal["none", "median", "asha", "hyperband"]


class SearchConfig(Growing):
    """How the space is searched.

    Attributes:
        trials: The study's total, fixed trials included.
        block: Trials a block; a trial sees the outcomes of all blocks but its own and the last.
        max_seconds: Begin no further trial after so long; the next ``run`` goes on.
        shapes: At most so many shapes (``TrialConfig.shape``) a block, so that trials can be
            trained together; ``None``: as many as the sampler likes.
    """

    LATER = frozenset({"shapes"})

    trials: Annotated[Count, Field(le=100_000)]
    sampler: SamplerName = "tpe"
    stopping: StoppingName = "none"
    seed: Seed = 0
    block: Annotated[Count, Field(le=1_000)] = 8
    max_seconds: Annotated[float, Strict(), Field(gt=0)] | None = None
    shapes: Annotated[Count, Field(le=1_000)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sampler == "grid" and self.shapes is not None:
            expected = "none, since sampler is grid and lists its settings"
            raise OutOfLimitsError(key="shapes", got=str(self.shapes), expected=expected)
        return self
