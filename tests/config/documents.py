"""Study documents as plain values: one to change by hand, and all that a generator can think of."""

from copy import deepcopy
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
MISSING = object()
"""Stands for a key to take away."""


def changed(changes: dict[str, Any], base: dict[str, Any] = SMALLEST) -> dict[str, Any]:
    """A document with dotted keys replaced, added or taken away."""
    document = deepcopy(base)
    for key, value in changes.items():
        section, *inner = document, *key.split(".")[:-1]
        for part in inner:
            section = section.setdefault(part, {})
        last = key.rpartition(".")[2]
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


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    """Any space: per layer or not, with single layers apart."""
    space: dict[str, Any] = {
        "depth": draw(whole_domain(0, 4)),
        "width": draw(whole_domain(1, 64)),
        "dropout": draw(floats_domain(0.0, 0.9)),
        "batch_size": draw(whole_domain(1, 64)),
        "learning_rate": draw(floats_domain(1e-5, 1.0)),
    }
    for kind in ("width", "dropout"):
        if isinstance(space[kind], dict):
            space[kind]["per_layer"] = draw(st.booleans())
    depth = space["depth"]
    deepest = max(depth.get("choices", [depth.get("high")])) if isinstance(depth, dict) else depth
    for layer in draw(st.sets(st.integers(1, deepest))) if deepest else ():
        space[f"width_{layer}"] = draw(whole_domain(1, 64))
        space[f"dropout_{layer}"] = draw(floats_domain(0.0, 0.9))
    return space


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Any study, as a file would say it."""
    return {
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)),
        "question": draw(st.text(max_size=20)),
        "data": {
            "name": draw(st.sampled_from(["digits", "mnist-5k", "mnist"])),
            "validation": draw(st.one_of(st.floats(0.01, 0.9), st.integers(1, 500))),
            "test": draw(st.one_of(st.none(), st.floats(0.01, 0.9), st.integers(0, 500))),
        },
        "model": {"name": "mlp"},
        "space": draw(spaces()),
        "training": {"epochs": draw(st.integers(1, 50))},
        "search": {
            "trials": draw(st.integers(1, 50)),
            "sampler": draw(st.sampled_from(["tpe", "random", "qmc", "gp"])),
            "stopping": draw(st.sampled_from(["none", "median", "asha", "hyperband"])),
            "seed": draw(st.integers(0, 2**32 - 1)),
            "shapes": draw(st.one_of(st.none(), st.integers(1, 1_000))),
        },
    }
