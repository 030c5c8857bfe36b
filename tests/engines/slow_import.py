"""A fit whose imports take long."""

import time

from tests.engines.fits import fit

time.sleep(20)

__all__ = ["fit"]
