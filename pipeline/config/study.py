"""StudyConfig: a study file, checked."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, model_validator

from pipeline.config.data import DataConfig
from pipeline.config.frozen import Count, Frozen, Name, Params, Seed
from pipeline.config.space import Range, Space, is_fixed, values_of
from pipeline.config.trial import ModelConfig, TrainingConfig

SamplerName = Literal["tpe", "random", "qmc", "grid", "gp"]
StoppingName = Literal["none", "median", "asha", "hyperband"]
LARGEST_GRID = 1_000_000


class SearchConfig(Frozen):
    """How the space is searched.

    Attributes:
        trials: The study's total, fixed trials included.
        block: Trials a block; a trial sees the outcomes of all blocks but its own and the last.
        max_seconds: Begin no further trial after so long; the next ``run`` goes on.
    """

    trials: Annotated[Count, Field(le=100_000)]
    sampler: SamplerName = "tpe"
    stopping: StoppingName = "none"
    seed: Seed = 0
    block: Annotated[Count, Field(le=1_000)] = 8
    max_seconds: Annotated[float, Strict(), Field(gt=0)] | None = None


class StudyConfig(Frozen):
    """A study file: the question, its space, and how it is searched."""

    name: Name
    question: str = ""
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
            turned["space"] = _without_keep_prob(given["space"], "space")
        if isinstance(given.get("trials"), list | tuple):
            turned["trials"] = [
                _without_keep_prob(trial, f"trials.{index}") if isinstance(trial, Mapping) else trial
                for index, trial in enumerate(given["trials"])
            ]
        return turned

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.trials) > self.search.trials:
            message = (
                f"search.trials: got {self.search.trials}, "
                f"expected at least {len(self.trials)}, the number of fixed trials"
            )
            raise ValueError(message)
        for index in range(len(self.trials)):
            self.fixed_params(index)
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
        domains = self.space.domains
        for key, value in self.trials[number].items():
            names = [name for name in domains if name == key or name.rpartition("_")[0] == key]
            if not names:
                message = (
                    f"trials.{number}.{key}: got {value!r}, "
                    f"expected one of the space's parameters {', '.join(domains)}"
                )
                raise ValueError(message)
            for name in names:
                if name == key or name not in self.trials[number]:
                    resolved[name] = self._inside(f"trials.{number}.{key}", name, value)
        self._check_layers(number, resolved)
        return resolved

    def _inside(self, place: str, name: str, value: object) -> Any:
        domain = self.space.domains[name]
        if is_fixed(domain):
            limit = None if value == domain and not isinstance(value, bool) else f"{domain}"
        elif isinstance(value, int | float | str):
            limit = domain.excludes(value)  # type: ignore[union-attr]
        else:
            limit = "a number"
        if limit is not None:
            message = f"{place}: got {value!r}, expected {limit} (space.{name})"
            raise ValueError(message)
        return float(value) if _is_real(domain) else value  # type: ignore[arg-type]

    def _check_layers(self, number: int, resolved: Params) -> None:
        if "depth" not in resolved:
            return
        for key in self.trials[number]:
            kind, _, layer = key.rpartition("_")
            if kind in Space.PER_LAYER and int(layer) > resolved["depth"]:
                message = (
                    f"trials.{number}.{key}: got layer {layer}, "
                    f"expected at most the trial's depth {resolved['depth']}"
                )
                raise ValueError(message)

    def _check_grid(self) -> None:
        size = 0
        for _ in self.grid():
            size += 1
        largest = size + len(self.trials)
        if self.search.trials > largest:
            message = (
                f"search.trials: got {self.search.trials}, expected at most {largest}: "
                f"the grid has {size} settings, and {len(self.trials)} trials are fixed"
            )
            raise ValueError(message)

    def grid(self) -> Iterator[Params]:
        """List every setting of the space once, the last parameter turning fastest.

        A layer that a depth does not have is not varied.

        Raises:
            ValueError: A parameter has no list of values, or the grid is too large.
        """
        columns: dict[str, tuple[Any, ...]] = {}
        for name, domain in self.space.domains.items():
            try:
                columns[name] = values_of(domain)
            except ValueError as error:
                message = (
                    f"space.{name}: got {error}, "
                    "expected choices, whole numbers or a step for sampler grid"
                )
                raise ValueError(message) from None
        _check_grid_size(columns)
        for depth in columns["depth"]:
            active = self.space.active(depth)
            yield from _product({name: columns[name] for name in active} | {"depth": (depth,)})

    @property
    def document(self) -> dict[str, Any]:
        """The study file as plain values, defaults filled in: what the digest stands for."""
        return self.model_dump(mode="json")


def _check_grid_size(columns: Mapping[str, tuple[Any, ...]]) -> None:
    size = 1
    for values in columns.values():
        size *= len(values)
    if size > LARGEST_GRID:
        message = f"space: got a grid of {size} settings, expected at most {LARGEST_GRID}"
        raise ValueError(message)


def _product(columns: Mapping[str, tuple[Any, ...]]) -> Iterator[Params]:
    from itertools import product

    for values in product(*columns.values()):
        yield dict(zip(columns, values, strict=True))


def _is_real(domain: object) -> bool:
    if isinstance(domain, Range):
        return isinstance(domain.low, float)
    return isinstance(domain, float)


def _without_keep_prob(section: Mapping[str, Any], place: str) -> dict[str, Any]:
    turned: dict[str, Any] = {}
    for key, value in section.items():
        name = str(key).replace("keep_prob", "dropout")
        if name != key and name in section:
            message = f"{place}.{key}: got both {key} and {name}, expected one of them"
            raise ValueError(message)
        turned[name] = value if name == key else _dropped(value, f"{place}.{key}")
    return turned


def _dropped(kept: Any, place: str) -> Any:
    """Turn a probability to keep, or a range or choices of them, into one to drop."""
    if isinstance(kept, Mapping):
        turned = dict(kept)
        if kept.get("log"):
            message = f"{place}.log: got true, expected it for dropout only"
            raise ValueError(message)
        if "choices" in kept and isinstance(kept["choices"], list | tuple):
            turned["choices"] = [_dropped(value, place) for value in kept["choices"]]
        for end, other in (("low", "high"), ("high", "low")):
            if other in kept:
                turned[end] = _dropped(kept[other], place)
        return turned
    if isinstance(kept, bool) or not isinstance(kept, int | float) or not 0 < kept <= 1:
        message = f"{place}: got {kept!r}, expected a probability to keep in (0, 1]"
        raise ValueError(message)
    return round(1 - kept, 12)
