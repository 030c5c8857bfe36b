"""How much dropout a setting has, all in all."""

import re
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any, Final

from pipeline.config.space.parameters import LAYER

HIDDEN: Final = {"dropout": "depth", "block_dropout": "blocks"}
"""The rates of hidden layers, with the parameter that counts the layers."""


def mean_dropout(params: Mapping[str, Any]) -> float | None:
    """The mean of the hidden layers' dropout rates; ``None`` where no layer has one.

    A rate of all layers counts once for each that has none of its own.

    >>> mean_dropout({"depth": 3, "dropout": 0.25, "dropout_2": 0.1, "input_dropout": 0.2})
    0.2
    >>> mean_dropout({"depth": 0, "input_dropout": 0.2})

    Args:
        params: The active parameters, also of a user-defined module.
    """
    rates = [rate for kind, count in HIDDEN.items() for rate in _rates(params, kind, count)]
    return fmean(rates) if rates else None


def _rates(params: Mapping[str, Any], kind: str, count: str) -> Iterator[float]:
    of_layer = re.compile(f"{kind}_{LAYER}")
    own = [value for name, value in params.items() if of_layer.fullmatch(name)]
    n_layers, shared = params.get(count), params.get(kind)
    n_shared = n_layers - len(own) if type(n_layers) is int else 1
    rates = [*own, *[shared] * max(n_shared, 0)]
    yield from (rate for rate in rates if isinstance(rate, float))
