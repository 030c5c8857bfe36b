"""What ``make torture`` asks of the tests, and ``make test`` has no time for."""

import os

import pytest

TORTURE = "TORTURE" in os.environ
long_form = pytest.mark.skipif(not TORTURE, reason="long: `make torture` runs it")
