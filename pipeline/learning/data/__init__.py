"""Data for training: found, checked, decoded once a machine, split; the test part is sealed.

What opens the test part is not among these names: see ``pipeline.learning.data.sealed``.
"""

from pipeline.learning.data.arrays import open_train
from pipeline.learning.data.cache import prepare
from pipeline.learning.data.parts import (
    Split,
    all_but_test,
    fold_splits,
    split,
    splits,
    splits_sha256,
)
from pipeline.learning.data.places import locate
from pipeline.learning.data.records import PreparedData, Source
from pipeline.learning.data.sizes import PartSizes, known_sizes

__all__ = [
    "PartSizes",
    "PreparedData",
    "Source",
    "Split",
    "all_but_test",
    "fold_splits",
    "known_sizes",
    "locate",
    "open_train",
    "prepare",
    "split",
    "splits",
    "splits_sha256",
]
