"""A data module's training and validation rows as one data set, which can be divided anew."""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any, Final

import numpy as np
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)

from pipeline.learning.data.split import FOLD_STREAM
from pipeline.learning.data.stratified import stratified_folds
from pipeline.learning.lightning import LightningDataModule

KEPT: Final = (
    *("batch_size", "num_workers", "collate_fn", "pin_memory", "drop_last", "timeout"),
    *("worker_init_fn", "multiprocessing_context", "generator", "prefetch_factor"),
    "persistent_workers",
)
"""What a loader of other rows has in common with the one that it stands for."""


class NotJoinedError(ValueError):
    """Only the data module knows how its rows are to be divided."""


@dataclass(frozen=True)
class JoinedRows:
    """All rows that a data module trains and validates on.

    Attributes:
        module: Set up for fitting.
        data: Holds the rows.
        numbers: Which of ``data`` they are: those of training, then those of validation.
        training: The module's own loader.
        validation: The module's own loader.
    """

    module: LightningDataModule
    data: Dataset[Any]
    numbers: Sequence[int]
    training: DataLoader[Any]
    validation: DataLoader[Any]

    def whole(self) -> LightningDataModule:
        """A module that trains on all rows and validates on none."""
        return self._module(range(len(self.numbers)), ())

    def folds(self, n_folds: int, *, seed: int) -> tuple[list[LightningDataModule], str]:
        """Modules that validate on one fold each and train on all others, and the folds' digest.

        What a label is only the module knows, so folds are not stratified.

        Args:
            n_folds: How many.
            seed: The study's, of the split.

        Raises:
            ValueError: There are fewer rows than folds.
        """
        rows = np.arange(len(self.numbers), dtype=np.int64)
        if n_folds > rows.size:
            message = f"data.folds: got {n_folds}, expected at most {rows.size}, one row a fold"
            raise ValueError(message)
        blank = np.zeros_like(rows)
        hands = stratified_folds(rows, blank, n_hands=n_folds, seed=seed, stream=FOLD_STREAM)
        digest = hashlib.sha256(np.asarray(self.numbers, dtype="<i8").tobytes())
        for hand in hands:
            digest.update(f"fold {hand.size}\n".encode() + hand.astype("<i8").tobytes())
        modules = [self._module(np.setdiff1d(rows, hand).tolist(), hand.tolist()) for hand in hands]
        return modules, digest.hexdigest()

    def _module(self, training: Sequence[int], validation: Sequence[int]) -> LightningDataModule:
        """A copy of the module, for the sake of its hooks, whose loaders have other rows."""
        twin = copy.copy(self.module)
        trains = self._loader(self.training, training)
        vars(twin)["train_dataloader"] = lambda: trains
        if validation:
            validates = self._loader(self.validation, validation)
            vars(twin)["val_dataloader"] = lambda: validates
        else:  # as if the class had defined none
            vars(twin)["val_dataloader"] = MethodType(LightningDataModule.val_dataloader, twin)
        return twin

    def _loader(self, own: DataLoader[Any], rows: Sequence[int]) -> DataLoader[Any]:
        data = Subset(self.data, [self.numbers[row] for row in rows])
        kept = {name: getattr(own, name) for name in KEPT}
        return DataLoader(data, shuffle=isinstance(own.sampler, RandomSampler), **kept)


def join(module: LightningDataModule, path: str) -> JoinedRows:
    """Join the rows of a data module's training and validation loaders.

    It is only done where a row can take the place of any other: both loaders read parts of one data
    set, or tensors, so that no row is transformed in another way when it trains than when it
    validates.

    Args:
        module: Set up for fitting.
        path: Its class path.

    Raises:
        NotJoinedError: It cannot be done, with the reason.
    """
    training, validation = (
        _loader_of(module, name, path) for name in ("train_dataloader", "val_dataloader")
    )
    first, second = (_unwrapped(loader.dataset) for loader in (training, validation))
    if first[0] is second[0]:
        data, numbers = first[0], [*first[1], *second[1]]
    elif _are_alike(first[0], second[0]):
        data = ConcatDataset([first[0], second[0]])
        n_first = _length(first[0])
        numbers = [*first[1], *(n_first + number for number in second[1])]
    else:
        raise _refusal(
            path,
            "its training and validation rows are no parts of one data set (Subset, random_split) "
            "and no TensorDatasets of one shape, so a row may be transformed in another way "
            "when it trains than when it validates",
        )
    if len(set(numbers)) < len(numbers):
        raise _refusal(path, "a row is in its training and in its validation part, or twice in one")
    return JoinedRows(module, data, numbers, training, validation)


def _refusal(path: str, reason: str) -> NotJoinedError:
    return NotJoinedError(f"the rows of {path} cannot be divided anew: {reason}")


def _loader_of(module: LightningDataModule, name: str, path: str) -> DataLoader[Any]:
    """A module's loader, if one like it can be made for other rows."""
    loader = getattr(module, name)()
    if type(loader) is not DataLoader:
        kind = type(loader).__name__
        raise _refusal(path, f"{name}() gives a {kind}, expected one DataLoader of torch")
    if isinstance(loader.dataset, IterableDataset) or not hasattr(loader.dataset, "__len__"):
        raise _refusal(path, f"the data set of {name}() has no rows by number, or no length")
    for sampler in (loader.batch_sampler, loader.sampler):
        if not _is_plain(sampler):
            kind = type(sampler).__name__
            expected = "expected a batch_size, and shuffle or the rows' order"
            raise _refusal(path, f"{name}() draws its rows by a {kind}, {expected}")
    return loader


def _is_plain(sampler: Any) -> bool:
    """Whether it does what ``batch_size`` and ``shuffle`` say, and no more."""
    if type(sampler) is RandomSampler:
        return not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    return type(sampler) in (BatchSampler, SequentialSampler)


def _unwrapped(data: Dataset[Any]) -> tuple[Dataset[Any], list[int]]:
    """The data set below ``Subset`` and ``random_split``, and which of its rows are meant."""
    numbers = list(range(_length(data)))
    while type(data) is Subset:
        numbers = [int(data.indices[number]) for number in numbers]
        data = data.dataset
    return data, numbers


def _length(data: Any) -> int:
    return len(data)


def _are_alike(first: Dataset[Any], second: Dataset[Any]) -> bool:
    """Whether rows are tensors of the same shapes and types, which nothing transforms."""
    shapes = [
        [(tensor.dtype, tensor.shape[1:]) for tensor in data.tensors]
        for data in (first, second)
        if type(data) is TensorDataset
    ]
    return len(shapes) == 2 and shapes[0] == shapes[1]  # noqa: PLR2004 - both are
