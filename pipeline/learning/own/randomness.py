"""The global random generators, which a user's own code draws from."""

import random

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch.

    Args:
        seed: In [0, 2**64 - 1]; NumPy's takes its lower half.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's code may draw from it
    torch.manual_seed(seed)
