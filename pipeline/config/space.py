"""The space section of a study file: what is fixed, and what is searched between which bounds."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    Tag,
    model_serializer,
    model_validator,
)

from pipeline.config.frozen import Frozen, Scalar

Depth = Annotated[int, Strict(), Field(ge=0, le=100)]
Width = Annotated[int, Strict(), Field(ge=1, le=65_536)]
Rate = Annotated[float, Strict(), Field(ge=0, lt=1)]
BatchSize = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
LearningRate = Annotated[float, Strict(), Field(gt=0, le=1_000)]
WeightDecay = Annotated[float, Strict(), Field(ge=0, le=1_000)]

N = TypeVar("N", bound=int | float)

LAYER_KEY = re.compile(r"^(width|dropout)_([1-9][0-9]?|100)$")
LAYER_KEY_PATTERN = "^{}_([1-9][0-9]?|100)$"


class Range(Frozen, Generic[N]):
    """All numbers from ``low`` to ``high``, both included; whole where the bounds are."""

    low: N
    high: N
    log: Annotated[bool, Strict()] = False
    step: Annotated[N, Field(gt=0)] | None = None
    per_layer: Annotated[bool, Strict()] = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            message = f"low {self.low} is above high {self.high}, expected low <= high"
            raise ValueError(message)
        if self.log and self.low <= 0:
            message = f"low {self.low} with log: true, expected low above 0"
            raise ValueError(message)
        if self.log and self.step is not None:
            message = "both log and step, expected one of them"
            raise ValueError(message)
        if self.step is not None and self.step > max(self.high - self.low, 1e-12):
            message = f"step {self.step}, expected at most high - low = {self.high - self.low}"
            raise ValueError(message)
        return self

    def excludes(self, value: Scalar) -> str | None:
        """Say in words which bound a value breaks, or ``None`` where it lies in the range."""
        if isinstance(value, bool | str):
            return "a number"
        if isinstance(self.low, int) and not isinstance(value, int):
            return "a whole number"
        if not self.low <= value <= self.high:
            return f"{self.low} <= value <= {self.high}"
        if self.step is not None:
            steps = (value - self.low) / self.step
            if abs(steps - round(steps)) > 1e-8:
                return f"{self.low} plus a multiple of step {self.step}"
        return None


class Choices(Frozen, Generic[N]):
    """One of the listed values; the search treats them as unordered."""

    choices: Annotated[tuple[N, ...], Field(min_length=1, max_length=1_000)]
    per_layer: Annotated[bool, Strict()] = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.choices)) < len(self.choices):
            message = f"choices {list(self.choices)}, expected each value once"
            raise ValueError(message)
        return self

    def excludes(self, value: Scalar) -> str | None:
        """Say in words what is allowed, or ``None`` where the value is one of the choices."""
        return None if value in self.choices else f"one of {list(self.choices)}"


def _shape(value: object) -> str:
    """Tell a fixed value, a range and choices apart by their keys alone."""
    if isinstance(value, Mapping):
        return "choices" if "choices" in value else "range"
    return {Range: "range", Choices: "choices"}.get(_origin(value), "value")


def _origin(value: object) -> type:
    for kind in (Range, Choices):
        if isinstance(value, kind):
            return kind
    return type(value)


_V, _R, _C, _SHAPE = Tag("value"), Tag("range"), Tag("choices"), Discriminator(_shape)

# Spelled out: a generic alias over a generic pydantic model loses its parameter.
DepthDomain = Annotated[
    Annotated[Depth, _V] | Annotated[Range[Depth], _R] | Annotated[Choices[Depth], _C], _SHAPE
]
WidthDomain = Annotated[
    Annotated[Width, _V] | Annotated[Range[Width], _R] | Annotated[Choices[Width], _C], _SHAPE
]
RateDomain = Annotated[
    Annotated[Rate, _V] | Annotated[Range[Rate], _R] | Annotated[Choices[Rate], _C], _SHAPE
]
BatchSizeDomain = Annotated[
    Annotated[BatchSize, _V] | Annotated[Range[BatchSize], _R] | Annotated[Choices[BatchSize], _C],
    _SHAPE,
]
LearningRateDomain = Annotated[
    Annotated[LearningRate, _V]
    | Annotated[Range[LearningRate], _R]
    | Annotated[Choices[LearningRate], _C],
    _SHAPE,
]
WeightDecayDomain = Annotated[
    Annotated[WeightDecay, _V]
    | Annotated[Range[WeightDecay], _R]
    | Annotated[Choices[WeightDecay], _C],
    _SHAPE,
]
Domain = int | float | str | Range[Any] | Choices[Any]
"""What one parameter may be: a fixed value, a range, or choices."""


class Space(Frozen):
    """The parameters of the multi-layer perceptron and of its training.

    ``width`` and ``dropout`` stand for every hidden layer, one value for all or, with
    ``per_layer: true``, one for each; ``width_2`` or ``dropout_2`` sets one layer apart.
    """

    PER_LAYER: ClassVar[tuple[str, ...]] = ("width", "dropout")

    depth: DepthDomain
    width: WidthDomain | None = None
    width_of_layer: dict[str, WidthDomain] = Field(default_factory=dict)
    input_dropout: RateDomain = 0.0
    dropout: RateDomain | None = None
    dropout_of_layer: dict[str, RateDomain] = Field(default_factory=dict)
    batch_size: BatchSizeDomain
    learning_rate: LearningRateDomain
    weight_decay: WeightDecayDomain = 0.0

    @model_validator(mode="before")
    @classmethod
    def _gather_layers(cls, given: object) -> object:
        """Move ``width_2`` and its like out of the way of the unknown-key check."""
        if not isinstance(given, Mapping):
            return given
        gathered: dict[str, Any] = {}
        for key, value in given.items():
            match = LAYER_KEY.match(str(key))
            if match:
                gathered.setdefault(f"{match[1]}_of_layer", {})[key] = value
            else:
                gathered[key] = value
        return gathered

    @model_serializer(mode="wrap")
    def _spread_layers(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what was read: ``width_2`` stands beside ``width`` again."""
        spread: dict[str, Any] = {}
        for key, value in handler(self).items():
            spread.update(value if key.endswith("_of_layer") else {key: value})
        return spread

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("depth", "input_dropout", "batch_size", "learning_rate", "weight_decay"):
            if getattr(getattr(self, key), "per_layer", False):
                message = f"{key}: per_layer: true, expected it for width and dropout only"
                raise ValueError(message)
        for kind in self.PER_LAYER:
            self._check_layers(kind)
        return self

    def _check_layers(self, kind: str) -> None:
        own: dict[str, Domain] = getattr(self, f"{kind}_of_layer")
        for layer in range(1, self.max_depth + 1):
            if f"{kind}_{layer}" not in own and getattr(self, kind) is None:
                message = (
                    f"no {kind} for hidden layer {layer}, "
                    f"expected {kind} or {kind}_{layer} since depth may be {self.max_depth}"
                )
                raise ValueError(message)
        for key, domain in own.items():
            if int(key.rpartition("_")[2]) > self.max_depth:
                message = f"{key}, expected a layer up to the largest depth {self.max_depth}"
                raise ValueError(message)
            if getattr(domain, "per_layer", False):
                message = f"{key}: per_layer: true, expected it for width and dropout only"
                raise ValueError(message)

    @property
    def max_depth(self) -> int:
        """The largest number of hidden layers that a trial of this space may have."""
        return int(max(values_of(self.depth, corners=True)))

    @property
    def domains(self) -> dict[str, Domain]:
        """Every parameter's name, per-layer ones spread out, with what it may be."""
        domains: dict[str, Domain] = {"depth": self.depth}
        for kind, before in (("width", None), ("dropout", "input_dropout")):
            if before:
                domains[before] = getattr(self, before)
            domains.update(self._layer_domains(kind))
        rest = ("batch_size", "learning_rate", "weight_decay")
        return domains | {key: getattr(self, key) for key in rest}

    def _layer_domains(self, kind: str) -> Iterator[tuple[str, Domain]]:
        own: dict[str, Domain] = getattr(self, f"{kind}_of_layer")
        shared: Domain | None = getattr(self, kind)
        for layer in range(1, self.max_depth + 1):
            key = f"{kind}_{layer}"
            if key in own:
                yield key, own[key]
            elif getattr(shared, "per_layer", False):
                yield key, shared.model_copy(update={"per_layer": False})  # type: ignore[union-attr]
            elif shared is not None:
                yield kind, shared

    def active(self, depth: int) -> tuple[str, ...]:
        """Name the parameters that a network of this depth has, in the file's order."""
        names = list(self.domains)
        needed = {
            name
            for kind in self.PER_LAYER
            for layer in range(1, depth + 1)
            for name in (f"{kind}_{layer}", kind)[:: 1 if f"{kind}_{layer}" in names else -1][:1]
        }
        return tuple(
            name
            for name in names
            if name in needed or not (name in self.PER_LAYER or LAYER_KEY.match(name))
        )


def is_fixed(domain: Domain) -> bool:
    """Whether a parameter is one plain value and so not searched."""
    return not isinstance(domain, Range | Choices)


def values_of(domain: Domain, *, corners: bool = False) -> tuple[Any, ...]:
    """List the values of a parameter, or only its two ends where ``corners`` is set.

    Raises:
        ValueError: The parameter is a range without a step and not of whole numbers.
    """
    if isinstance(domain, Choices):
        return tuple(domain.choices)
    if not isinstance(domain, Range):
        return (domain,)
    if corners:
        return (domain.low, domain.high)
    step = domain.step or (1 if isinstance(domain.low, int) else None)
    if step is None:
        message = "a range without a step"
        raise ValueError(message)
    count = int((domain.high - domain.low) / step + 1e-8) + 1
    return tuple(domain.low + index * step for index in range(count))
