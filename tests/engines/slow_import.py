"""A fit whose imports take long."""

import time

from tests.engines.fits import fit

time.sleep(60)

__all__ = ["fit"]
