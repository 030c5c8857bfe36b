"""Data for training: found, checked, decoded once a machine, split; the test part is sealed.

What opens the test part is not among these names: see ``pipeline.learning.data.sealed``.
"""

from pipeline.learning.data.cache import PreparedData, open_train, prepare
from pipeline.learning.data.locate import Source, locate
from pipeline.learning.data.split import (
    Split,
    SplitSizes,
    all_but_test,
    known_sizes,
    splits,
    splits_sha256,
)

__all__ = [
    "PreparedData",
    "Source",
    "Split",
    "SplitSizes",
    "all_but_test",
    "known_sizes",
    "locate",
    "open_train",
    "prepare",
    "splits",
    "splits_sha256",
]
