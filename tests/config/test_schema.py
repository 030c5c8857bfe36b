import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from pydantic import ValidationError

from pipeline.config import StudyConfig
from tests.config.documents import MISSING, MODELS, SMALLEST, SPACES, changed, documents

SCHEMA = StudyConfig.model_json_schema()
SHIPPED = sorted(Path(__file__).parents[2].glob("studies/*.yaml"))
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
LIMITS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "exclusiveMinimum": lambda value, limit: value > limit,
    "exclusiveMaximum": lambda value, limit: value < limit,
    "minItems": lambda value, limit: len(value) >= limit,
    "maxItems": lambda value, limit: len(value) <= limit,
    "minLength": lambda value, limit: len(value) >= limit,
    "maxLength": lambda value, limit: len(value) <= limit,
    "pattern": lambda value, limit: re.search(limit, value) is not None,
    "enum": lambda value, limit: value in limit,
    "const": lambda value, limit: value == limit,
    "required": lambda value, limit: not isinstance(value, dict) or set(limit) <= set(value),
}
KEYWORDS = {
    *LIMITS,
    *("type", "properties", "patternProperties", "additionalProperties", "items"),
    *(
        "oneOf",
        "anyOf",
        "allOf",
        "not",
        "if",
        "then",
        "$ref",
        "$defs",
        "title",
        "description",
        "default",
    ),
}


def faults(value: Any, node: Mapping[str, Any], place: str = "study") -> Iterator[str]:
    """What an editor would mark: the part of JSON Schema that the study file's schema uses."""
    unknown = node.keys() - KEYWORDS
    assert not unknown, f"this check does not know {unknown}"
    if "$ref" in node:
        yield from faults(value, SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], place)
    yield from _faults_of_branches(value, node, place)
    for both in node.get("allOf", ()):
        yield from faults(value, both, place)
    if "not" in node and not list(faults(value, node["not"], place)):
        yield f"{place}: not"
    if "if" in node and not list(faults(value, node["if"], place)):
        yield from faults(value, node["then"], place)
    if "type" in node and not _is_of(value, node["type"]):
        yield f"{place}: no {node['type']}"
        return
    broken = [
        name for name, holds in LIMITS.items() if name in node and not holds(value, node[name])
    ]
    yield from (f"{place}: {name}" for name in broken)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _faults_below(key, inner, node, f"{place}.{key}")
    for index, inner in enumerate(value if isinstance(value, list) else ()):
        yield from faults(inner, node.get("items", {}), f"{place}.{index}")


def _faults_of_branches(value: Any, node: Mapping[str, Any], place: str) -> Iterator[str]:
    for word, most in (("oneOf", 1), ("anyOf", len(node.get("anyOf", ())))):
        fits = [not list(faults(value, branch, place)) for branch in node.get(word, ())]
        if word in node and not 1 <= sum(fits) <= most:
            yield f"{place}: {sum(fits)} branches of {word}"


def _faults_below(key: str, inner: Any, node: Mapping[str, Any], place: str) -> Iterator[str]:
    named = [node["properties"][key]] if key in node.get("properties", {}) else []
    patterns = node.get("patternProperties", {})
    named += [child for pattern, child in patterns.items() if re.search(pattern, key)]
    for child in named:
        yield from faults(inner, child, place)
    others = node.get("additionalProperties", True)
    if not named and others is False:
        yield f"{place}: unknown"
    if not named and isinstance(others, dict):
        yield from faults(inner, others, place)


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_schema_accepts_a_shipped_study_file(file: Path) -> None:
    assert list(faults(yaml.safe_load(file.read_text()), SCHEMA)) == []


@given(documents())
def test_the_schema_accepts_every_valid_study(document: dict[str, Any]) -> None:
    StudyConfig.model_validate(document)
    assert list(faults(document, SCHEMA)) == []


@pytest.mark.parametrize(
    "space",
    [
        pytest.param({"width_1": 128, "width_2": 64, "width": MISSING}, id="widths of layers"),
        pytest.param({"dropout_2": {"low": 0.0, "high": 0.5}}, id="dropout of a layer"),
        pytest.param({"dropout": MISSING, "keep_prob": 0.8}, id="keep_prob"),
        pytest.param(
            {"dropout": MISSING, "keep_prob": {"low": 0.5, "high": 1, "per_layer": True}},
            id="a range of keep_prob",
        ),
        pytest.param({"input_keep_prob": {"choices": [0.8, 1]}}, id="choices of keep_prob"),
        pytest.param({"keep_prob_2": 0.9}, id="keep_prob of a layer"),
    ],
)
def test_the_schema_accepts_each_way_to_name_a_layer(space: dict[str, Any]) -> None:
    document = changed({f"space.{key}": value for key, value in space.items()})
    StudyConfig.model_validate(document)
    assert list(faults(document, SCHEMA)) == []


OF_ITS_MODEL = [
    *[
        ("cnn", "filters_3", 8),
        ("cnn", "filters_1", {"low": 1, "high": 2}),
        ("cnn", "block_keep_prob_2", 1),
    ],
    *[("cnn", "depth", MISSING), ("cnn", "regularizer", "channel-dropout"), ("mlp", "max_norm", 3)],
    *[("mlp", "activation", {"choices": ["relu", "tanh"]}), ("autoencoder", "regularizer", None)],
    *[("own", "width_of_layer", 3), ("own", "keep_prob", 7), ("own", "batch_size", MISSING)],
    *[("own", "flag", True), ("own", "is_deep", {"choices": [True, False]})],
    (
        "own",
        "a",
        {"low": 1, "high": 2, "when": {"shift": {"in": [-0.5]}, "hidden": {"at_least": 9}}},
    ),
    ("own", "a", {"choices": ["x"], "when": {"activation": {"equals": "tanh"}}}),
    ("mlp", "max_norm", {"low": 1, "high": 2, "when": {"depth": {"at_least": 2}}}),
]
OF_ANOTHER_MODEL = [
    *[("mlp", "filters", 8), ("autoencoder", "block_keep_prob", 0.5), ("cnn", "blocks", MISSING)],
    *[("mlp", "regularizer", "channel-dropout"), ("autoencoder", "depth", 0), ("cnn", "name", 1)],
    *[("own", "_hidden", 3), ("own", "a..b", 1), ("own", "batch_size", 0.5), ("mlp", "max", 1)],
    *[("own", "a", {"low": 1, "high": 2, "when": {"hidden": {"above": 9}}}), ("mlp", "when", 1)],
    *[("own", "a", {"low": 1, "high": 2, "per_layer": value}) for value in (3, "")],
    *[("cnn", "activation", {"low": 1, "high": 2}), ("cnn", "max_norm", 0), ("own", "a", None)],
]


@pytest.mark.parametrize(("model", "key", "value"), OF_ITS_MODEL)
def test_the_schema_accepts_what_a_model_has(model: str, key: str, value: Any) -> None:
    document = of_model(model, key, value)
    StudyConfig.model_validate(document)
    assert list(faults(document, SCHEMA)) == []


@pytest.mark.parametrize(("model", "key", "value"), OF_ANOTHER_MODEL)
def test_the_schema_refuses_what_a_model_does_not_have(model: str, key: str, value: Any) -> None:
    document = of_model(model, key, value)
    with pytest.raises(ValidationError, match="space"):
        StudyConfig.model_validate(document)
    assert list(faults(document, SCHEMA))


def of_model(model: str, key: str, value: Any) -> dict[str, Any]:
    """A study of a model whose space says one thing more, or less."""
    base = SMALLEST | {"model": MODELS[model], "space": SPACES[model]}
    return changed({f"space.{key}": value}, base)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("nme", 1), ("space.dropuot", 0.5), ("space.width_0", 4), ("space.width_of_layer", {})],
        *[("space.dropout_of_layer", {}), ("space.dropout", 1), ("space.dropout", -0.1)],
        *[("space.depth", 1.5), ("space.depth", -1), ("space.batch_size", 0), ("name", "a/b")],
        *[("name", "a..b"), ("name", "x" * 101), ("space.keep_prob_1", 0), ("data.test", -1)],
        *[("data.name", "imagenet"), ("search.trials", 0), ("search.sampler", "tep")],
        *[("space.width", {"choices": []}), ("space.width", {"low": 1}), ("training", [])],
        *[("space.dropout.hihg", 1), ("training.epochs", MISSING), ("training.epochs", True)],
    ],
)
def test_the_schema_refuses_what_the_program_refuses(key: str, value: Any) -> None:
    base = changed({"space.dropout": {"low": 0.0, "high": 0.5}})
    assert list(faults(changed({key: value}, base), SCHEMA))


def test_the_schema_names_every_section_and_default() -> None:
    assert set(SCHEMA["properties"]) == {
        *SMALLEST,
        *("question", "objective", "trials", "resources"),
    }
    defaults = SCHEMA["$defs"]["SearchConfig"]["properties"]
    assert {key: defaults[key].get("default") for key in defaults} == {
        "trials": None,
        "sampler": "auto",
        "stopping": "auto",
        "first_rung": None,
        "reduction": None,
        "finalists": None,
        "until": None,
        "warm_start": None,
        "seed": 0,
        "block": 8,
        "max_seconds": None,
    }


@pytest.mark.parametrize("model", ["mlp", "cnn", "autoencoder"])
def test_a_built_in_model_beside_own_data_takes_the_arguments_of_the_data_module(
    model: str,
) -> None:
    space = SPACES[model] | {"noise": {"low": 0.0, "high": 0.5}, "path": "somewhere"}
    own = {"class_path": "my_package.MyData"}
    document = SMALLEST | {"model": MODELS[model], "space": space, "data": own}
    study = StudyConfig.model_validate(document)
    assert {"noise", "path"} <= set(study.space.domains)
    assert {"noise", "path"} <= set(study.space.active({"depth": 1, "blocks": 1}))
    assert list(faults(document, SCHEMA)) == []
    built_in = document | {"data": {"name": "digits"}}
    with pytest.raises(ValidationError, match="noise"):
        StudyConfig.model_validate(built_in)
    assert list(faults(built_in, SCHEMA)) != []
    misspelt = document | {"space": {"batch_size": 1} | {"depth": 1}}
    assert list(faults(misspelt, SCHEMA)) != []
