"""The spaces of each model, made from the models' parameters."""

from functools import cache
from typing import Any

from pydantic import Field, create_model

from pipeline.config.domain import domain_of
from pipeline.config.models import CUSTOM, MODELS
from pipeline.config.own_space import OpenSpace
from pipeline.config.parameters import Parameter, ParameterTable
from pipeline.config.sections import DataConfig, ModelConfig
from pipeline.config.space import Space, alias_of

SpaceKey = tuple[str | None, bool]


def _field(parameter: Parameter) -> tuple[Any, Any]:
    domain, told = domain_of(parameter.values), parameter.means
    if parameter.need == "filled in":
        return domain, Field(parameter.default, description=told)
    if parameter.need == "required" and not parameter.of_each:
        return domain, Field(description=told)
    return domain | None, Field(None, description=told)


@cache
def _space_type(name: str, table: ParameterTable) -> type[Space]:
    """Make the type of a model's spaces from its parameters.

    Args:
        name: Its title in the JSON schema.
        table: The model's parameters.
    """
    base: type[Space] = OpenSpace if table.is_open else Space
    fields: dict[str, Any] = {parameter.name: _field(parameter) for parameter in table.parameters}
    for kind in table.layered:
        single: Any = domain_of(table.by_name[kind].values)
        kept: Any = Field(default_factory=dict, alias=alias_of(kind))
        fields[f"{kind}_of_layer"] = (dict[str, single], kept)
    made: type[Space] = create_model(name, __base__=base, __module__=__name__, **fields)
    made.table = table
    return made


def space_types() -> dict[SpaceKey, type[Space]]:
    """The types of spaces by the model's name and by whether the data module is user-defined.

    A user-defined model has no name, and its space is the same for all data.
    """
    found: dict[SpaceKey, type[Space]] = {}
    for name, model in MODELS.items():
        title = f"{name.capitalize()}Space"
        found[name, False] = _space_type(title, model.parameters)
        found[name, True] = _space_type(f"{title}WithOwnData", model.parameters.opened)
    return found | {(None, False): _space_type("OwnSpace", CUSTOM)}


def space_type_of(model: ModelConfig, data: DataConfig) -> type[Space]:
    """The type of the spaces of a model on some data."""
    return space_types()[model.name, model.name is not None and data.class_path is not None]
