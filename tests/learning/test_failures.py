"""A failure in one line."""

import pytest
import torch

from pipeline.learning.failures import describe_failure


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("no room"), "out of memory: no room"),
        (torch.OutOfMemoryError("CUDA is full"), "out of memory: CUDA is full"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9"), "out of memory: Default"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: 9"), "out of memory: Default"),
        (ValueError("not enough memory cells"), "ValueError: not enough memory cells"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
    ],
    ids=["python", "cuda", "linux", "windows", "another error", "lines"],
)
def test_a_failure_is_named_by_its_kind(error: Exception, said: str) -> None:
    assert describe_failure(error).startswith(said)


def test_a_failure_names_the_line_that_raised_it() -> None:
    with pytest.raises(ZeroDivisionError, match="by zero") as caught:
        _ = 1 // 0
    assert f"({__name__}:" in describe_failure(caught.value)


def test_a_long_message_is_cut() -> None:
    assert len(describe_failure(ValueError("x" * 10_000))) < 400
