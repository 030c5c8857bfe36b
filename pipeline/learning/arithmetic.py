"""What sums and products depend on beside their numbers: threads, denormal numbers, precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Compute with so many threads and without denormal numbers; the threads are set back.

    A tenth of Adam's moments fade to denormal numbers (below 1e-38), which cost a processor up to
    a hundred times as much as a zero: they are set to zero, which no loss can tell.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def product_dtype(precision: str) -> torch.dtype:
    """The type of a product's factors; sums, weights and gradients are float32."""
    return torch.bfloat16 if precision == "bf16-mixed" else torch.float32


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Compute products in a study's precision.

    Nothing is cached: weights change at each step, and an evaluation makes no gradients.
    """
    dtype = product_dtype(precision)
    is_mixed = dtype is not torch.float32
    return torch.autocast(device.type, torch.bfloat16, enabled=is_mixed, cache_enabled=False)
