"""How much of a user's own data may be decoded at once."""

import os
from typing import Final

from pipeline.errors import BadInputError

LARGEST_BYTES: Final = 64 * 2**30


def check_fits(n_bytes: int, *, where: str) -> None:
    """Refuse arrays that memory cannot hold, before any of them is made.

    Args:
        n_bytes: Of all arrays, decoded.
        where: What an error names: the file or folder.

    Raises:
        BadInputError: They are larger than this machine's memory, or than 64 GiB.
    """
    limit = min(LARGEST_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if n_bytes > limit:
        raise BadInputError(
            where=where,
            got=f"{n_bytes / 2**30:,.1f} GiB once decoded",
            expected=f"at most {limit / 2**30:,.1f} GiB, which this machine can hold",
        )
