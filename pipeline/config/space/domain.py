"""Domains: what a parameter can be in a study, a fixed value, a range or choices."""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import Field, PlainValidator, Strict, model_validator

from pipeline.config.frozen import Frozen, Scalar
from pipeline.config.messages import InvalidValueError, shown
from pipeline.config.space.conditions import Condition, When

N = TypeVar("N", bound=float)  # int included
V = TypeVar("V", bound=Scalar)
KINDS = {int: "a whole number", float: "a number"}
STEP_TOLERANCE = 1e-8
"""Rounding error of a sum of floats that is accepted, as a fraction of a step."""


def _check_per_layer(given: object) -> object:
    if isinstance(given, bool) or (isinstance(given, str) and given):
        return given
    expected = "true or false, or the name of the parameter that counts the layers"
    raise InvalidValueError(got=shown(given), expected=expected)


PerLayer = Annotated[
    bool | str,
    PlainValidator(
        _check_per_layer,
        json_schema_input_type=Annotated[bool, Strict()] | Annotated[str, Field(min_length=1)],
    ),
]
"""Whether each layer has a value of its own, or which parameter counts those layers."""


class Range(Frozen, Generic[N]):
    """The numbers from ``low`` to ``high``, both included; whole numbers if the bounds are.

    Attributes:
        per_layer: Whether each layer has a value of its own; for a user's class also the name of
            the parameter that counts its layers, ``depth`` by default.
        when: Which settings have the parameter; by default all.
    """

    low: N
    high: N
    log: Annotated[bool, Strict()] = False
    step: Annotated[N, Field(gt=0)] | None = None
    per_layer: PerLayer = False
    when: When | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            expected = f"a number of at most high, which is {self.high}"
            raise InvalidValueError(key="low", got=str(self.low), expected=expected)
        if self.log and self.low <= 0:
            raise InvalidValueError(
                key="low", got=str(self.low), expected="a number above 0, since log is true"
            )
        if self.step is not None:
            self._check_step(self.step)
        return self

    def _check_step(self, step: float) -> None:
        if self.log:
            raise InvalidValueError(key="step", problem="not allowed with log: true")
        span = f"high - low = {self.high - self.low:.10g}"
        if step > (self.high - self.low) * (1 + STEP_TOLERANCE):
            raise InvalidValueError(
                key="step", got=str(step), expected=f"a number of at most {span}"
            )
        if not _is_multiple(self.high - self.low, step):
            raise InvalidValueError(key="step", got=str(step), expected=f"a divisor of {span}")

    def nearest(self, value: float) -> N:
        """The value of the range that is nearest to a number, which may be infinite."""
        low, high = float(self.low), float(self.high)
        nearest = min(max(value, low), high)
        step = self.step or (1 if type(self.low) is int else None)
        if step is not None:
            nearest = min(low + round((nearest - low) / step) * step, high)
        return type(self.low)(nearest)

    def excludes(self, value: Scalar) -> str | None:
        """Describe the allowed values, or return ``None`` if the value is one of them."""
        kind = KINDS[type(self.low)]
        if _is_of(value, type(self.low)) and self.low <= float(value) <= self.high:
            if self.step is None or _is_multiple(float(value) - self.low, self.step):
                return None
            return f"{kind} that is {self.low} plus a multiple of step {self.step}"
        return f"{kind} from {self.low} to {self.high}"


class Choices(Frozen, Generic[V]):
    """One of the listed values; the search treats them as unordered.

    Attributes:
        per_layer: As that of a range.
        when: As that of a range.
    """

    choices: Annotated[tuple[V, ...], Field(min_length=1, max_length=1_000)]
    per_layer: PerLayer = False
    when: When | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        doubled = [value for value in self.choices if self.choices.count(value) > 1]
        if doubled:
            raise InvalidValueError(key="choices", problem=f"{doubled[0]!r} is listed twice")
        return self

    def excludes(self, value: Scalar) -> str | None:
        """Describe the allowed values, or return ``None`` if the value is one of them."""
        if _is_of(value, type(self.choices[0])) and value in self.choices:
            return None
        return f"one of {list(self.choices)}"


def _is_of(value: object, kind: type) -> bool:
    """Whether a value has this type; a whole number is accepted as a float, a boolean as none."""
    kinds = (kind, int) if kind is float else (kind,)
    return isinstance(value, kinds) and isinstance(value, bool) == (kind is bool)


def _is_multiple(value: float, step: float) -> bool:
    return abs(value / step - round(value / step)) <= STEP_TOLERANCE


Domain = int | float | str | Range[Any] | Choices[Any]
"""What a parameter can be in a study: a fixed value, a range, or choices."""


def when_of(domain: Domain | None) -> Mapping[str, Condition]:
    """The conditions of a parameter; none where every setting has it."""
    given = domain.when if isinstance(domain, Range | Choices) else None
    return given or {}


def is_fixed(domain: Domain) -> bool:
    """Whether a parameter has one value and is not searched."""
    return not isinstance(domain, Range | Choices)


def limit_of(domain: Domain, value: Any) -> str | None:
    """Describe a parameter's allowed values, or return ``None`` if the value is one of them."""
    if isinstance(domain, Range | Choices):
        return domain.excludes(value)
    return None if _is_of(value, type(domain)) and value == domain else f"{domain}, a constant"


def converted(domain: Domain, value: Any) -> Any:
    """Convert an allowed value to the type of the domain: 1 to 1.0 where floats are searched."""
    match domain:
        case Range():
            return type(domain.low)(value)
        case Choices():
            return domain.choices[domain.choices.index(value)]
    return domain


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
    last = round((domain.high - domain.low) / step)
    return (*(domain.low + index * step for index in range(last)), domain.high)
