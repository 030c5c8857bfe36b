"""The space section of a study file: what is fixed, and what is searched between which bounds."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.config.domain import (
    BatchSizeDomain,
    DepthDomain,
    Domain,
    LearningRateDomain,
    RateDomain,
    WeightDecayDomain,
    WidthDomain,
    values_of,
)
from pipeline.config.frozen import Frozen, OutOfLimitsError
from pipeline.config.keep_prob import KEEP_PROB_SCHEMA

LAYER = "([1-9][0-9]?|100)"
LAYER_KEY = re.compile(f"^(width|dropout)_{LAYER}$")


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
            elif str(key).endswith("_of_layer"):
                expected = f"'{str(key).removesuffix('of_layer')}1'"
                raise OutOfLimitsError(key=str(key), got="an unknown key", expected=expected)
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

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the file as it is written: ``width_2`` and ``keep_prob`` among the keys."""
        schema = handler.resolve_ref_schema(handler(core))
        patterns = {
            f"^{kind}_{LAYER}$": schema["properties"].pop(f"{kind}_of_layer")[
                "additionalProperties"
            ]
            for kind in cls.PER_LAYER
        }
        schema["patternProperties"] = patterns | {f"^keep_prob_{LAYER}$": KEEP_PROB_SCHEMA}
        keep_probs = dict.fromkeys(("keep_prob", "input_keep_prob"), KEEP_PROB_SCHEMA)
        schema["properties"].update(keep_probs)
        return schema

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("depth", "input_dropout", "batch_size", "learning_rate", "weight_decay"):
            _refuse_per_layer(key, getattr(self, key))
        for kind in self.PER_LAYER:
            self._check_layers(kind)
        return self

    def _check_layers(self, kind: str) -> None:
        own = self._of_layer(kind)
        for key, domain in own.items():
            if int(key.rpartition("_")[2]) > self.max_depth:
                expected = f"a layer up to the largest depth, which is {self.max_depth}"
                raise OutOfLimitsError(key=key, got="a layer too many", expected=expected)
            _refuse_per_layer(key, domain)
        for layer in range(1, self.max_depth + 1):
            if f"{kind}_{layer}" not in own and getattr(self, kind) is None:
                expected = f"{kind} or {kind}_{layer}, since depth may be {self.max_depth}"
                raise OutOfLimitsError(key=kind, got="nothing", expected=expected)

    def _of_layer(self, kind: str) -> dict[str, Domain]:
        own: dict[str, Domain] = getattr(self, f"{kind}_of_layer")
        return own

    @property
    def max_depth(self) -> int:
        """The largest number of hidden layers that a trial of this space may have."""
        return int(max(values_of(self.depth, corners=True)))

    @property
    def domains(self) -> dict[str, Domain]:
        """Every parameter's name, per-layer ones spread out, with what it may be."""
        domains: dict[str, Domain] = {"depth": self.depth}
        domains.update(self._layer_domains("width"))
        domains["input_dropout"] = self.input_dropout
        domains.update(self._layer_domains("dropout"))
        rest = ("batch_size", "learning_rate", "weight_decay")
        return domains | {key: getattr(self, key) for key in rest}

    def _layer_domains(self, kind: str) -> Iterator[tuple[str, Domain]]:
        own = self._of_layer(kind)
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
        names = self.domains
        layers = range(1, depth + 1)
        needed = {
            f"{kind}_{layer}" if f"{kind}_{layer}" in names else kind
            for kind in self.PER_LAYER
            for layer in layers
        }
        return tuple(
            name
            for name in names
            if name in needed or not (name in self.PER_LAYER or LAYER_KEY.match(name))
        )

    def shaping(self, depth: int) -> tuple[str, ...]:
        """Name the active parameters that a trial's shape follows from."""
        shapeless = ("input_dropout", "dropout", "learning_rate", "weight_decay")
        return tuple(name for name in self.active(depth) if not name.startswith(shapeless))


def _refuse_per_layer(key: str, domain: Domain) -> None:
    if getattr(domain, "per_layer", False):
        raise OutOfLimitsError(
            key=f"{key}.per_layer", got="true", expected="it for width and dropout only"
        )
