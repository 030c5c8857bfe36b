"""StudyConfig: a study file, checked."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import (
    GetJsonSchemaHandler,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.config.domain import limit_of, taken_as
from pipeline.config.frozen import Frozen, Name, OutOfLimitsError, Params, Text, shown
from pipeline.config.grid import Grid
from pipeline.config.keep_prob import without_keep_prob
from pipeline.config.schema import space_by_model
from pipeline.config.sections import (
    DataConfig,
    ModelConfig,
    SearchConfig,
    TrainingConfig,
    parameters_of,
)
from pipeline.config.space import UNITS, Space
from pipeline.config.spaces import space_type_of


class StudyConfig(Frozen):
    """A study file: the question, its space, and how it is searched."""

    name: Name
    question: Text = ""
    data: DataConfig
    model: ModelConfig
    space: SerializeAsAny[Space]
    training: TrainingConfig
    search: SearchConfig
    trials: tuple[dict[str, Any], ...] = ()

    @field_validator("space", mode="plain", json_schema_input_type=dict[str, Any])
    @classmethod
    def _read_space(cls, given: object, info: ValidationInfo) -> object:
        """Read the space as the model's; where the model is wrong, only that is told."""
        model, data = info.data.get("model"), info.data.get("data")
        return space_type_of(model, data).model_validate(given) if model and data else given

    @field_validator("trials", mode="before")
    @classmethod
    def _turn_keep_prob(cls, given: object, info: ValidationInfo) -> object:
        """Turn ``keep_prob`` into ``dropout`` once, at the door."""
        model, data = info.data.get("model"), info.data.get("data")
        if model is None or data is None or not isinstance(given, list | tuple):
            return given
        rates = parameters_of(model, data).rates
        return [_without_keep_prob(trial, number, rates) for number, trial in enumerate(given)]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe a file: which space it may have depends on its model."""
        return space_by_model(handler.resolve_ref_schema(handler(core)), handler)

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
        domains, layered = self.space.domains, self.space.table.layered
        names = [
            name
            for name in domains
            if name == key or (key in layered and name.startswith(f"{key}_"))
        ]
        if not names and not (key in layered and self.space.most(layered[key]) == 0):
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
        layered = self.space.table.layered
        for key in self.trials[number]:
            kind, _, layer = key.rpartition("_")
            count = layered.get(kind, "")
            if count in resolved and layer.isdecimal() and int(layer) > resolved[count]:
                unit, told = UNITS[count]
                expected = f"a {unit} up to the trial's {told}, which is {resolved[count]}"
                place = f"trials.{number}.{key}"
                raise OutOfLimitsError(key=place, got=f"a {unit} too many", expected=expected)

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

        A layer that a setting does not have is not varied.

        Raises:
            ValueError: A parameter has no list of values, or the grid is too large.
        """
        return iter(Grid(self.space))

    @property
    def document(self) -> dict[str, Any]:
        """The study file as plain values, defaults filled in; the digest is computed over it."""
        return self.model_dump(mode="json", exclude_none=True)


def _without_keep_prob(trial: object, number: int, rates: tuple[str, ...]) -> object:
    if not isinstance(trial, Mapping):
        return trial
    try:
        return without_keep_prob(trial, rates)
    except OutOfLimitsError as error:
        key = f"{number}.{error.key}"
        raise OutOfLimitsError(key=key, got=error.got, expected=error.expected) from None
