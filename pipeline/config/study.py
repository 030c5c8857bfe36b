"""StudyConfig: a study file, checked."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)

from pipeline.config.data import DataConfig
from pipeline.config.domain import limit_of, taken_as
from pipeline.config.frozen import (
    Count,
    Frozen,
    Name,
    OutOfLimitsError,
    Params,
    Seed,
    Text,
    shown,
)
from pipeline.config.grid import Grid
from pipeline.config.keep_prob import without_keep_prob
from pipeline.config.model import ModelConfig
from pipeline.config.space import Space
from pipeline.config.trial import TrainingConfig

SamplerName = Literal["tpe", "random", "qmc", "grid", "gp"]
StoppingName = Literal["none", "median", "asha", "hyperband"]


class SearchConfig(Frozen):
    """How the space is searched.

    Attributes:
        trials: The study's total, fixed trials included.
        block: Trials a block; a trial sees the outcomes of all blocks but its own and the last.
        max_seconds: Begin no further trial after so long; the next ``run`` goes on.
        shapes: At most so many shapes (``TrialConfig.shape``) a block, so that trials can be
            trained together; ``None``: as many as the sampler likes.
    """

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

    @model_serializer(mode="wrap")
    def _leave_out_shapes(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write ``shapes`` where it is set: studies from before it keep their digest."""
        written: dict[str, Any] = handler(self)
        return {key: value for key, value in written.items() if (key, value) != ("shapes", None)}


class StudyConfig(Frozen):
    """A study file: the question, its space, and how it is searched."""

    name: Name
    question: Text = ""
    data: DataConfig
    model: ModelConfig
    space: Space
    training: TrainingConfig
    search: SearchConfig
    trials: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _turn_keep_prob(cls, given: object) -> object:
        """Turn ``keep_prob`` into ``dropout`` once, at the door."""
        if not isinstance(given, Mapping):
            return given
        turned = dict(given)
        if isinstance(given.get("space"), Mapping):
            turned["space"] = without_keep_prob(given["space"], "space")
        if isinstance(given.get("trials"), list | tuple):
            turned["trials"] = [
                _without_keep_prob(trial, number) for number, trial in enumerate(given["trials"])
            ]
        return turned

    @model_validator(mode="after")
    def _check(self) -> Self:
        n_fixed = len(self.trials)
        if n_fixed > self.search.trials:
            raise OutOfLimitsError(
                key="search.trials",
                got=str(self.search.trials),
                expected=f"at least {n_fixed}, the number of fixed trials",
            )
        for number in range(n_fixed):
            self.fixed_params(number)
        if self.search.sampler == "grid":
            self._check_grid()
        return self

    def fixed_params(self, number: int) -> Params:
        """Resolve what a fixed trial says, ``dropout`` for every layer included.

        Args:
            number: Its place in ``trials``, which is also its trial number.

        Returns:
            Values by parameter name; what the trial leaves out is left to the sampler.

        Raises:
            ValueError: A value lies outside the space; the message names the bound.
        """
        resolved: Params = {}
        for key, value in self.trials[number].items():
            place = f"trials.{number}.{key}"
            for name in self._named(key, place):
                if name == key or name not in self.trials[number]:
                    resolved[name] = self._inside(place, name, value)
        self._check_layers(number, resolved)
        return resolved

    def _named(self, key: str, place: str) -> list[str]:
        """The parameters that a fixed trial's key means: ``dropout`` is that of every layer."""
        domains = self.space.domains
        names = [
            name
            for name in domains
            if name == key or (key in Space.PER_LAYER and name.startswith(f"{key}_"))
        ]
        if not names and not (key in Space.PER_LAYER and self.space.max_depth == 0):
            expected = f"one of the space's parameters: {', '.join(domains)}"
            raise OutOfLimitsError(key=place, got="an unknown parameter", expected=expected)
        return names

    def _inside(self, place: str, name: str, value: object) -> Any:
        domain = self.space.domains[name]
        limit = limit_of(domain, value)
        if limit is not None:
            expected = f"{limit} (space.{name})"
            raise OutOfLimitsError(key=place, got=shown(value), expected=expected)
        return taken_as(domain, value)

    def _check_layers(self, number: int, resolved: Params) -> None:
        for key in self.trials[number]:
            kind, _, layer = key.rpartition("_")
            if kind in Space.PER_LAYER and int(layer) > resolved.get("depth", self.space.max_depth):
                expected = f"a layer up to the trial's depth, which is {resolved['depth']}"
                place = f"trials.{number}.{key}"
                raise OutOfLimitsError(key=place, got="a layer too many", expected=expected)

    def _check_grid(self) -> None:
        size = len(Grid(self.space))
        largest = size + len(self.trials)
        if self.search.trials > largest:
            expected = (
                f"at most {largest}: the grid has {size} settings, "
                f"and {len(self.trials)} trials are fixed"
            )
            got = str(self.search.trials)
            raise OutOfLimitsError(key="search.trials", got=got, expected=expected)

    def grid(self) -> Iterator[Params]:
        """List every setting of the space once, the last parameter turning fastest.

        A layer that a depth does not have is not varied.

        Raises:
            ValueError: A parameter has no list of values, or the grid is too large.
        """
        return iter(Grid(self.space))

    @property
    def document(self) -> dict[str, Any]:
        """The study file as plain values, defaults filled in: what the digest stands for."""
        return self.model_dump(mode="json")


def _without_keep_prob(trial: object, number: int) -> object:
    return without_keep_prob(trial, f"trials.{number}") if isinstance(trial, Mapping) else trial
