"""Dropout masks from a counter-based hash: a mask is a function of seed, layer, step and unit.

There is no generator state to lose or to share, so a trial that is trained again, resumed, or
trained in a stack draws the same masks. The idea is from Salmon et al., "Parallel Random Numbers:
As Easy as 1, 2, 3", SC 2011 (https://doi.org/10.1145/2063384.2063405); the mixer is C. Wellons'
"lowbias32" (https://github.com/skeeto/hash-prospector), a second key and half a round more.
"""

import torch
from torch import Tensor

from pipeline.config import derive_seed

LEVELS = 1 << 16
"""A mask entry uses 16 random bits, so a rate is kept to within 1 / 131072."""

N_LAYERS = 256
"""How many layers of dropout a network may have, the input's included."""

N_UNITS = 1 << 25
"""How many entries a mask may have: rows of a batch times units of a layer."""

_LAYER_BITS = 24
_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1

# Python numbers are converted at every use, a third of the hash's cost at 16,384 mask entries.
_SHIFT_15, _SHIFT_16 = torch.tensor([15, 16], dtype=torch.int32)
# On int32 a right shift copies the sign bit; these masks clear the copies.
_LOW_16, _LOW_17 = torch.tensor([0xFFFF, 0x1FFFF], dtype=torch.int32)
_FACTORS = torch.tensor(
    [0x7FEB352D, 0x846CA68B - (1 << 32), 0x2C1B3C6D], dtype=torch.int32
).unbind()


def dropped_levels(rate: float) -> int:
    """How many of the 65,536 levels are dropped at this rate.

    >>> dropped_levels(0.25)
    16384

    Args:
        rate: The probability to drop, in [0, 1).
    """
    return min(round(rate * LEVELS), LEVELS - 1)


def step_key(seed: int, step: int) -> tuple[int, int]:
    """Mix a trial's dropout seed and a step into two 32-bit keys (SplitMix64's finaliser)."""
    word = (seed * 0xD1342543DE82EF95 + (step + 1) * _GOLDEN) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    word ^= word >> 31
    return _signed(word & 0xFFFFFFFF), _signed(word >> 32)


def counters(layer: int, n_units: int, device: torch.device) -> Tensor:
    """Number the pairs of mask entries of a layer; layers do not overlap.

    Args:
        layer: 0 for the input, 1 for the first hidden layer and so on, below 256.
        n_units: Entries of the mask (rows times units), at most 2**25.
        device: Where the mask is needed.

    Returns:
        int32 of shape [ceil(n_units / 2)].

    Raises:
        ValueError: The layer's counters would run into those of another.
    """
    if not (0 <= layer < N_LAYERS and n_units <= N_UNITS):
        message = (
            f"a mask of {n_units} entries in layer {layer} is too large: masks have at most "
            f"{N_UNITS} entries, and layers are numbered below {N_LAYERS}"
        )
        raise ValueError(message)
    pairs = torch.arange((n_units + 1) // 2, dtype=torch.int64, device=device)
    return (pairs + (layer << _LAYER_BITS)).to(torch.int32)


Key = tuple[int, int] | tuple[Tensor, Tensor]


def random_levels(counter: Tensor, key: Key) -> Tensor:
    """Hash counters to uniform 16-bit levels, two for each counter.

    Args:
        counter: int32 of shape [n].
        key: From ``step_key``.

    Returns:
        int16 of shape [2 n], uniform over [-32768, 32767].
    """
    return hash_into(torch.empty_like(counter), torch.empty_like(counter), counter, key)


def hash_into(word: Tensor, shifted: Tensor, counter: Tensor, key: Key) -> Tensor:
    """Hash counters as ``random_levels`` does, into given buffers.

    Args:
        word: int32 of shape [n], or [m, n] for m keys at once: what is returned is a view of it.
        shifted: Scratch memory like ``word``.
        counter: int32 of shape [n].
        key: From ``step_key``; or many keys, two int32 tensors of shape [m, 1].
    """
    first, second = key
    torch.bitwise_xor(counter, first, out=word)
    _mix(word, shifted, _SHIFT_16, _LOW_16)
    word *= _FACTORS[0]
    _mix(word, shifted, _SHIFT_15, _LOW_17)
    word *= _FACTORS[1]
    _mix(word, shifted, _SHIFT_16, _LOW_16)
    word += second
    _mix(word, shifted, _SHIFT_15, _LOW_17)
    word *= _FACTORS[2]
    _mix(word, shifted, _SHIFT_16, _LOW_16)
    return word.view(torch.int16)


def _mix(word: Tensor, shifted: Tensor, shift: Tensor, low: Tensor) -> None:
    """Xor a word with its upper bits, in place; ``shifted`` is where they are put meanwhile."""
    torch.bitwise_right_shift(word, shift, out=shifted)
    word ^= shifted.bitwise_and_(low)


def keep_mask(levels: Tensor, rate: float) -> Tensor:
    """Turn levels into a mask that keeps a unit with probability 1 - rate and rescales it.

    Args:
        levels: int16 of any shape, uniform.
        rate: The probability to drop, in [0, 1).

    Returns:
        float32 of the same shape: 0 where dropped, 1 / (1 - rate) where kept, so that the
        expected activation stays what it was ("inverted dropout").
    """
    dropped = dropped_levels(rate)
    mask = torch.empty(levels.shape, dtype=torch.float32, device=levels.device)
    torch.ge(levels, dropped - LEVELS // 2, out=mask)
    return mask.mul_(LEVELS / (LEVELS - dropped))


def row_order(seed: int, epoch: int, n_rows: int) -> Tensor:
    """The order in which an epoch visits the training rows.

    Args:
        seed: The study's seed for the order, shared by all its trials.
        epoch: Counted from 1.
        n_rows: Number of training rows.

    Returns:
        int64 permutation of shape [n_rows], on the CPU.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "epoch", epoch))
    return torch.randperm(n_rows, generator=generator)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word
