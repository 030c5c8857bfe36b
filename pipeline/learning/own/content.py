"""A digest over what a user's data module yields."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.learning.lightning import LightningDataModule
from pipeline.learning.own.arguments import build
from pipeline.learning.own.classes import find_class
from pipeline.learning.own.randomness import seed_all


class Content(NamedTuple):
    """What a data module holds for the search.

    Attributes:
        data_sha256: Over the validation batches and one pass over the training loader.
        validation_sha256: Over the validation batches alone.
        n_validation: Rows that validate.
    """

    data_sha256: str
    validation_sha256: str
    n_validation: int


def open_module(path: str, params: Mapping[str, Any], *, seed: int) -> LightningDataModule:
    """Construct a user's data module and set it up for fitting, all its chances from one seed."""
    own = find_class(path, "data", where="trial")
    seed_all(seed)
    module: LightningDataModule = build(own, params)
    module.setup("fit")
    return module


@lru_cache(maxsize=8)
def content_of(path: str, params: tuple[tuple[str, Any], ...], seed: int) -> Content:
    """Digest a data module's content, once a worker for each setting that it takes.

    It is an instance of its own, so that no loader that trains is moved on. Values are digested
    in the order in which they come and whatever the batches' size.

    Args:
        path: The class path.
        params: The trial's parameters that its constructor takes.
        seed: The study's, of the split.
    """
    module = open_module(path, dict(params), seed=seed)
    validation, n_validation = _digest(module.val_dataloader())
    seed_all(seed)
    training, _ = _digest(module.train_dataloader())
    both = hashlib.sha256(f"validation {validation}\ntraining {training}\n".encode())
    return Content(both.hexdigest(), validation, n_validation)


def batches_of(loaders: Any) -> Iterator[Any]:
    """Go through a loader, or through one after another where there are several."""
    if isinstance(loaders, Mapping):
        loaders = list(loaders.values())
    if isinstance(loaders, list | tuple):
        for loader in loaders:
            yield from batches_of(loader)
    else:
        yield from loaders


def _digest(loaders: Any) -> tuple[str, int]:
    parts: dict[str, Any] = {}
    n_rows = 0
    for batch in batches_of(loaders):
        for number, (place, value) in enumerate(_leaves(batch, "")):
            if number == 0 and isinstance(value, Tensor) and value.ndim:
                n_rows += value.shape[0]
            parts.setdefault(place, hashlib.sha256()).update(_bytes(value))
    whole = "\n".join(f"{place} {part.hexdigest()}" for place, part in sorted(parts.items()))
    return hashlib.sha256(whole.encode()).hexdigest(), n_rows


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """A batch's values by their place in it; of tensors, type and row shape are part of that."""
    if isinstance(value, Tensor):
        yield f"{place}/{value.dtype}{list(value.shape[1:])}", value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{place}/{key}")
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _leaves(one, f"{place}/{number}")
    else:
        yield place, value


def _bytes(value: Any) -> bytes:
    if isinstance(value, Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1)
        return bytes(flat.view(torch.uint8).numpy())
    if isinstance(value, bytes):
        return value
    # Of an unknown object only its type is known to be the same in the next process.
    text = repr(value) if isinstance(value, str | int | float | None) else str(type(value))
    return text.encode()
