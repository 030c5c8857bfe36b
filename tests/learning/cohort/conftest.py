"""Bits are promised for one thread: sums depend on how many share them."""

from collections.abc import Iterator

import pytest

from pipeline.learning.arithmetic import arithmetic


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Compute everything here as a worker does."""
    with arithmetic(threads=1):
        yield
