"""States come back as they were, to the bit and to the type; nothing is unpickled."""

import math
import random
from collections import Counter, OrderedDict, deque
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.learning.checkpoints.codec import (
    DamagedError,
    NotPlainError,
    decode,
    encode,
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
states = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.integers() | st.text() | st.tuples(st.integers()), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=50)
@given(states)
def test_plain_values_come_back_with_their_types(state: Any) -> None:
    assert repr(decode(encode(state))) == repr(state)


TENSORS = {
    "floats": torch.tensor([1.5, -0.0, math.nan, math.inf, 1e-42]),
    "a number": torch.tensor(3.0),
    "nothing": torch.empty(0, 3),
    "bytes": torch.tensor([1, 255], dtype=torch.uint8),
    "half": torch.tensor([1.5, 2.0], dtype=torch.bfloat16),
    "a column": torch.arange(6.0).view(2, 3).t(),
    "truths": torch.tensor([True, False]),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_come_back_to_the_bit(kind: str) -> None:
    tensor = TENSORS[kind]
    again = decode(encode({"a": [tensor, tensor]}))["a"][1]
    assert again.dtype == tensor.dtype
    assert again.shape == tensor.shape
    flat = [one.contiguous().reshape(-1).view(torch.uint8) for one in (tensor, again)]
    assert torch.equal(*flat)


def test_generators_and_counters_come_back() -> None:
    state = {
        "python": random.getstate(),
        "numpy": np.random.RandomState(3).get_state(),
        "counter": Counter([1, 1, 4]),
        "ordered": OrderedDict(b=1, a=2),
    }
    again = decode(encode(state))
    assert again["python"] == state["python"]
    assert again["counter"] == state["counter"]
    assert type(again["counter"]) is Counter
    assert list(again["ordered"]) == ["b", "a"]
    one, other = np.random.RandomState(0), np.random.RandomState(3)
    one.set_state(again["numpy"])
    assert one.rand() == other.rand()


class _Named(tuple[int, ...]):
    __slots__ = ()


REFUSED = {
    "a set": {1},
    "an object": object(),
    "a subclass": _Named((1,)),
    "a queue": deque([1]),
    "a function": encode,
    "words in an array": np.array(["a"]),
    "a scattered tensor": torch.eye(3).to_sparse(),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_plain_is_refused(kind: str) -> None:
    with pytest.raises(NotPlainError, match="a"):
        encode({"a": [REFUSED[kind]]})


def test_bytes_without_their_digest_are_no_checkpoint() -> None:
    content = encode({"a": torch.zeros(3)})
    for damaged in (b"", content[:-1], content + b"x", content[:32] + bytes(8) + content[40:]):
        with pytest.raises(DamagedError, match="does not have its SHA-256"):
            decode(damaged)
