"""Bits are promised for one thread: sums depend on how many share them."""

from collections.abc import Iterator

import pytest

from pipeline.learning.arithmetic import arithmetic


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Compute everything here as a worker does, and nothing after it: scopes beyond end late."""
    with arithmetic(threads=1):
        yield
