"""The spaces of each model, made from the models' grammars."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, create_model

from pipeline.config.data import DataConfig
from pipeline.config.domain import domain_of
from pipeline.config.grammar import Grammar, Parameter
from pipeline.config.grammars import GRAMMARS, OPEN, OWN
from pipeline.config.model import ModelConfig
from pipeline.config.own_space import OpenSpace
from pipeline.config.space import Space, alias_of

SpaceKey = tuple[str | None, bool]


def _field(parameter: Parameter) -> tuple[Any, Any]:
    domain, told = domain_of(parameter.values), parameter.means
    if parameter.need == "filled in":
        return domain, Field(parameter.default, description=told)
    if parameter.need == "given" and not parameter.of_each:
        return domain, Field(description=told)
    return domain | None, Field(None, description=told)


def _space_type(name: str, grammar: Grammar, *, base: type[Space] = Space) -> type[Space]:
    """Make the type of a model's spaces from its grammar.

    Args:
        name: What the JSON schema calls it.
        grammar: The model's parameters.
        base: What it derives from.
    """
    fields: dict[str, Any] = {parameter.name: _field(parameter) for parameter in grammar.parameters}
    for kind in grammar.layered:
        single: Any = domain_of(grammar.by_name[kind].values)
        kept: Any = Field(default_factory=dict, alias=alias_of(kind))
        fields[f"{kind}_of_layer"] = (dict[str, single], kept)
    made: type[Space] = create_model(name, __base__=base, __module__=__name__, **fields)
    made.grammar = grammar
    return made


def _types_of(name: str) -> dict[SpaceKey, type[Space]]:
    title = f"{name.capitalize()}Space"
    return {
        (name, False): _space_type(title, GRAMMARS[name]),
        (name, True): _space_type(f"{title}WithOwnData", OPEN[name], base=OpenSpace),
    }


SPACES: Final[Mapping[SpaceKey, type[Space]]] = (
    _types_of("mlp")
    | _types_of("cnn")
    | _types_of("autoencoder")
    | {(None, False): _space_type("OwnSpace", OWN, base=OpenSpace)}
)
"""The type of a model's spaces by the model's name and by whether the data are the user's own.

A user's own model has no name, and its space is the same for all data.
"""


def space_type_of(model: ModelConfig, data: DataConfig) -> type[Space]:
    """The type of the spaces of a model on some data."""
    return SPACES[model.name, model.name is not None and data.class_path is not None]
