"""Every random number of a study comes from seeds derived here, never from the clock."""

import hashlib

from pipeline.config.frozen import LARGEST_SEED


def derive_seed(*parts: int | str) -> int:
    """Derive a seed from what it is for: equal parts, equal seed; else independent.

    The parts are joined with ``/`` and hashed with SHA-256; the first four bytes make the seed,
    the widest that every consumer (NumPy's legacy generator included) takes.

    >>> derive_seed(0, 12, "dropout") == derive_seed(0, 12, "dropout")
    True

    Args:
        parts: For example study seed, trial number, purpose.

    Returns:
        An integer in [0, 2**32 - 1].
    """
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & LARGEST_SEED
