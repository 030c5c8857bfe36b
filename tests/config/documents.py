"""Study documents as plain values: one to change by hand, and all that a generator can think of."""

import keyword
from copy import deepcopy
from operator import or_
from typing import Any

from hypothesis import strategies as st

from pipeline.config import StudyConfig, check_study

SMALLEST: dict[str, Any] = {
    "name": "small",
    "data": {"name": "digits"},
    "model": {"name": "mlp"},
    "space": {
        "depth": 2,
        "width": 16,
        "dropout": 0.5,
        "batch_size": 32,
        "learning_rate": 0.001,
    },
    "training": {"epochs": 2},
    "search": {"trials": 6},
}
SEARCHED: dict[str, Any] = {
    "depth": {"low": 1, "high": 3},
    "width": {"choices": [16, 32]},
    "input_dropout": {"low": 0.0, "high": 0.3},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [32, 64]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp"},
    "cnn": {"name": "cnn"},
    "autoencoder": {"name": "autoencoder"},
    "own": {"class_path": "my_package.MyModule"},
}
CNN_SPACE: dict[str, Any] = {
    "blocks": {"low": 1, "high": 3},
    "filters": {"choices": [8, 16], "per_layer": True},
    "block_dropout": {"low": 0.0, "high": 0.4, "per_layer": True},
    "depth": {"low": 0, "high": 2},
    "width": 64,
    "dropout": 0.5,
    "batch_size": 32,
    "learning_rate": 0.001,
}
OWN_SPACE: dict[str, Any] = {
    "hidden": {"low": 8, "high": 64, "log": True},
    "keep_prob": {"low": 0.5, "high": 1},
    "activation": {"choices": ["tanh", "Snake"]},
    "shift": {"choices": [0, -0.5]},
    "flavour": "plain",
    "batch_size": {"choices": [32, 64]},
}
CONDITIONAL_SPACE: dict[str, Any] = {
    "n_layers": {"low": 1, "high": 3},
    "net.dropout": {"low": 0.0, "high": 0.6, "per_layer": "n_layers"},
    "optimizer": {"choices": ["sgd", "adam"]},
    "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": {"equals": "sgd"}}},
    "nesterov": {"choices": [True, False], "when": {"momentum": {"at_least": 0.7}}},
    "warm_up": {
        "choices": [1, 2],
        "when": {"n_layers": {"in": [2, 3]}, "optimizer": {"equals": "adam"}},
    },
    "skip": {"low": 1, "high": 4, "per_layer": "n_layers", "when": {"n_layers": {"at_least": 2}}},
    "batch_size": {"choices": [32, 64]},
}
"""A space of a user's own module, most of whose parameters not all settings have."""
CONDITIONAL_GRID: dict[str, Any] = CONDITIONAL_SPACE | {
    "net.dropout": {"choices": [0.0, 0.5], "per_layer": "n_layers"},
    "momentum": CONDITIONAL_SPACE["momentum"] | {"step": 0.2},
    "skip": CONDITIONAL_SPACE["skip"] | {"high": 2},
}
SPACES = {
    "mlp": SEARCHED,
    "cnn": CNN_SPACE,
    "autoencoder": SEARCHED,
    "own": OWN_SPACE,
}
"""A space of each model that searches most of what it has."""
MISSING = object()
"""Stands for a key to take away."""


def changed(changes: dict[str, Any], base: dict[str, Any] = SMALLEST) -> dict[str, Any]:
    """A document with dotted keys replaced, added or taken away."""
    document = deepcopy(base)
    for key, value in changes.items():
        *outer, last = (int(part) if part.isdecimal() else part for part in key.split("."))
        section: Any = document
        for part in outer:
            section = section[part] if isinstance(part, int) else section.setdefault(part, {})
        if value is MISSING:
            del section[last]
        else:
            section[last] = value
    return document


def study(**changes: Any) -> StudyConfig:
    """A study with whole sections replaced."""
    return check_study(SMALLEST | changes, "study.yaml")


def study_of(space: dict[str, Any], *trials: dict[str, Any], **search: Any) -> StudyConfig:
    """A study of another space, with fixed trials."""
    return study(
        space={"batch_size": 32, "learning_rate": 0.001} | space,
        trials=list(trials),
        search={"trials": 6} | search,
    )


def study_for(model: str, *trials: dict[str, Any], **space: Any) -> StudyConfig:
    """A study of a model's space, some of whose parameters are replaced."""
    document = {"model": MODELS[model], "space": SPACES[model], "trials": list(trials)}
    changes = {f"space.{key}": value for key, value in space.items()}
    return check_study(changed(changes, SMALLEST | document), "study.yaml")


@st.composite
def floats_domain(draw: st.DrawFn, low: float, high: float) -> Any:
    """A constant, a range or choices of floats within bounds."""
    number = st.floats(low, high, allow_nan=False)
    ends = sorted((draw(number), draw(number)))
    return draw(
        st.one_of(
            number,
            st.just({"low": ends[0], "high": ends[1]}),
            st.lists(number, min_size=1, max_size=4, unique=True).map(lambda v: {"choices": v}),
        )
    )


@st.composite
def whole_domain(draw: st.DrawFn, low: int, high: int) -> Any:
    """A constant, a range or choices of whole numbers within bounds."""
    number = st.integers(low, high)
    ends = sorted((draw(number), draw(number)))
    return draw(
        st.one_of(
            number,
            st.just({"low": ends[0], "high": ends[1]}),
            st.lists(number, min_size=1, max_size=4, unique=True).map(lambda v: {"choices": v}),
        )
    )


def texts_domain(*texts: str) -> st.SearchStrategy[Any]:
    """A constant or choices of texts."""
    text = st.sampled_from(texts)
    return text | st.lists(text, min_size=1, unique=True).map(lambda v: {"choices": v})


@st.composite
def layers(draw: st.DrawFn, count: Any, width: str, rate: str) -> dict[str, Any]:
    """The parameters of each layer, per layer or not, with single layers apart."""
    space = {width: draw(whole_domain(1, 64)), rate: draw(floats_domain(0.0, 0.9))}
    for kind in (width, rate):
        if isinstance(space[kind], dict):
            space[kind]["per_layer"] = draw(st.booleans())
    most = max(count.get("choices", [count.get("high")])) if isinstance(count, dict) else count
    for layer in draw(st.sets(st.integers(1, most))) if most else ():
        space[f"{width}_{layer}"] = draw(whole_domain(1, 64))
        space[f"{rate}_{layer}"] = draw(floats_domain(0.0, 0.9))
    return space


@st.composite
def spaces(draw: st.DrawFn, model: str = "mlp") -> dict[str, Any]:
    """Any space of a built-in model."""
    space: dict[str, Any] = {
        "depth": draw(whole_domain(1 if model == "autoencoder" else 0, 4)),
        "batch_size": draw(whole_domain(1, 64)),
        "learning_rate": draw(floats_domain(1e-5, 1.0)),
    }
    space |= draw(layers(space["depth"], "width", "dropout"))
    if model == "cnn":
        space["blocks"] = draw(whole_domain(1, 3))
        space |= draw(layers(space["blocks"], "filters", "block_dropout"))
    regularizers = ["dropout", "dropconnect", *(["channel-dropout"] if model == "cnn" else [])]
    optional = {
        "regularizer": texts_domain(*regularizers),
        "activation": texts_domain("relu", "tanh", "leaky-relu"),
        "max_norm": floats_domain(0.5, 10.0),
    }
    for key in draw(st.sets(st.sampled_from(sorted(optional)))):
        space[key] = draw(optional[key])
    return space


def own_spaces() -> st.SearchStrategy[dict[str, Any]]:
    """Any space of a user's own module."""
    names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
        lambda name: not keyword.iskeyword(name) and name not in {"self", "batch_size"}
    )
    values = whole_domain(-9, 99) | floats_domain(-1.0, 1.0) | texts_domain("a", "b c", "Ä")
    sizes: st.SearchStrategy[dict[str, Any]] = st.just({}) | whole_domain(1, 64).map(
        lambda size: {"batch_size": size}
    )
    return st.builds(or_, st.dictionaries(names, values, max_size=5), sizes)


def spaces_of(model: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any space of a model."""
    return own_spaces() if model == "own" else spaces(model)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Any study, as a file would say it."""
    model = draw(st.sampled_from(sorted(MODELS)))
    epochs = draw(st.integers(1, 50))
    return {
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)),
        "question": draw(st.text(max_size=20)),
        "data": {
            "name": draw(st.sampled_from(["digits", "mnist-5k", "mnist"])),
            "validation": draw(st.one_of(st.floats(0.01, 0.9), st.integers(1, 500))),
            "test": draw(st.one_of(st.none(), st.floats(0.01, 0.9), st.integers(0, 500))),
        },
        "model": MODELS[model],
        "space": draw(spaces_of(model)),
        "training": {"epochs": epochs},
        "search": {
            "trials": draw(st.integers(1, 50)),
            "seed": draw(st.integers(0, 2**32 - 1)),
            "finalists": draw(st.sampled_from([None, 0])),
            "until": draw(st.sampled_from([None, "settled"])),
            **draw(sampling()),
            **draw(stopping(epochs)),
        },
    }


@st.composite
def sampling(draw: st.DrawFn) -> dict[str, Any]:
    """A sampler, and another study where it can use one."""
    sampler = draw(st.sampled_from(["auto", "tpe", "random", "qmc", "gp"]))
    others = [None, "another"] if sampler in ("auto", "gp") else [None]
    return {"sampler": sampler, "warm_start": draw(st.sampled_from(others))}


@st.composite
def stopping(draw: st.DrawFn, epochs: int) -> dict[str, Any]:
    """A stopping rule with the settings that it has."""
    rule = draw(st.sampled_from(["auto", "none", "halving", "median", "asha", "hyperband"]))
    said: dict[str, Any] = {"stopping": rule}
    if rule not in ("auto", "none"):
        said["first_rung"] = draw(st.none() | st.integers(1, epochs))
    if rule in ("halving", "asha", "hyperband"):
        said["reduction"] = draw(st.none() | st.integers(2, 9))
    return said
