"""What ``make torture`` asks of the tests, and ``make test`` has no time for.

There each law is held on one case of its kind; its other cases, and what takes half a minute, come
here.
"""

import os
from typing import Any

import pytest

TORTURE = "TORTURE" in os.environ
long_form = pytest.mark.skipif(not TORTURE, reason="long: `make torture` runs it")


def in_long_form(*values: Any) -> Any:
    """A parameter set of a test whose other ones are enough for ``make test``."""
    return pytest.param(*values, marks=long_form)
