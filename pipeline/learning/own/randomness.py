"""The global random generators, which a user's own code draws from."""

import random
from typing import Any

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


def random_state() -> dict[str, Any]:
    """Where each generator stands, as plain values, arrays and tensors."""
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - a user's code may draw from it
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put each generator where ``random_state`` found it."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002 - a user's code may draw from it
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])
