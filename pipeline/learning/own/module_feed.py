"""Batches of the user's own data module."""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.lightning import LightningDataModule
from pipeline.learning.own.arguments import build
from pipeline.learning.own.classes import find_class
from pipeline.learning.own.content import batches_of, content_of, open_module
from pipeline.learning.own.faults import own_fault
from pipeline.learning.own.feeds import Known
from pipeline.trial import Assignment

LARGEST_PROBE_BYTES = 2**28
"""Memory that the fixed part of the training rows may take, 256 MiB."""


@dataclass(frozen=True, slots=True)
class OwnData:
    """Data that a user's own data module yields: prepared once, opened by each worker.

    Attributes:
        name: The data module's class path.
    """

    name: str


def prepare_own(config: DataConfig, params: Mapping[str, Any], *, where: str) -> OwnData:
    """Call the data module's ``prepare_data`` in this process, before any worker opens it.

    Args:
        config: Names the class.
        params: The parameters of one trial; the constructor gets those that it takes.
        where: What an error names.

    Raises:
        BadInputError: The class cannot be used, or it raises.
    """
    assert config.class_path is not None, "called for the user's own data only"  # noqa: S101
    path = config.class_path
    own = find_class(path, "data", where=where)
    try:
        build(own, params).prepare_data()
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        got = f"{path}, whose prepare_data raises {own_fault(error, path)}"
        expected = "data that can be prepared"
        raise BadInputError(
            where=where, key="data.class_path", got=got, expected=expected
        ) from error
    return OwnData(path)


class ModuleFeed:
    """A trial's batches of the user's own data module.

    ``setup("fit")`` is called under the study's split seed, so what it splits at random is the
    same for all trials; the test rows are never asked for.

    Args:
        assignment: The trial.

    Raises:
        ValueError: The trial is a refit: only the module knows how to join its parts.
    """

    def __init__(self, assignment: Assignment) -> None:
        """Construct the data module and set it up."""
        config = assignment.config
        self._path = str(config.data.class_path)
        if assignment.is_refit:
            message = f"a refit needs built-in data: {self._path} decides what it trains on"
            raise ValueError(message)
        own = find_class(self._path, "data", where="trial")
        params = {name: value for name, value in config.params.items() if own.takes(name)}
        seed = config.seeds["split"]
        content = content_of(self._path, tuple(params.items()), seed)
        self.data_sha256, self.split_sha256 = content.data_sha256, content.validation_sha256
        self._module = open_module(self._path, params, seed=seed)
        self._probe = _first_rows(self._module, content.n_validation)
        self.known = knowledge_of(self._module, self._path)

    def to_fit(self) -> dict[str, Any]:
        """The module itself; it has been prepared and set up already."""
        return {"datamodule": _without(self._module, "prepare_data", "setup")}

    def to_probe(self) -> dict[str, Any] | None:
        """A twin of the module, for the sake of its hooks, that yields the probe."""
        if self._probe is None:
            return None
        probe = _Kept(self._probe)
        twin = _without(copy.copy(self._module), "prepare_data", "setup", "teardown")
        vars(twin)["val_dataloader"] = lambda: probe
        return {"datamodule": twin}


@dataclass(frozen=True)
class _Kept:
    """Batches in a loader's place: the Trainer takes a list for several loaders."""

    batches: list[Any]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def knowledge_of(module: LightningDataModule, path: str) -> Known:
    """What a model may ask of a data module: its attributes; the shape also of a batch."""

    def image_shape() -> tuple[int, ...]:
        if hasattr(module, "image_shape"):
            return tuple(module.image_shape)
        images = next(batches_of(module.val_dataloader()))[0]
        return tuple(images.shape[1:])

    def n_classes() -> int:
        if hasattr(module, "n_classes"):
            return int(module.n_classes)
        message = f"{path} has no attribute n_classes, which the model asks for"
        raise ValueError(message)

    return {
        "n_classes": n_classes,
        "n_inputs": lambda: math.prod(image_shape()),
        "image_shape": image_shape,
    }


def _without(module: LightningDataModule, *hooks: str) -> LightningDataModule:
    """Let a data module's hooks do nothing when the Trainer calls them."""
    vars(module).update(dict.fromkeys(hooks, lambda stage=None: None))  # noqa: ARG005 - a hook's argument
    return module


def _first_rows(module: LightningDataModule, n_rows: int) -> list[Any] | None:
    """The first batches of the training loader with as many rows as validate, or what fits.

    They are kept, so that each epoch is scored on the same. ``None`` where there are several
    loaders, or no telling how many rows a batch has.
    """
    kept: list[Any] = []
    n_bytes = 0
    loader = module.train_dataloader()
    if isinstance(loader, list | tuple | Mapping):
        return None
    for batch in loader:
        tensors = [value for value in _values(batch) if isinstance(value, Tensor) and value.ndim]
        if not tensors or n_rows <= 0:
            break
        kept.append(batch)
        n_rows -= tensors[0].shape[0]
        n_bytes += sum(value.nbytes for value in tensors)
        if n_bytes > LARGEST_PROBE_BYTES:
            break
    return kept or None


def _values(batch: Any) -> list[Any]:
    if isinstance(batch, Mapping):
        return [value for one in batch.values() for value in _values(one)]
    if isinstance(batch, list | tuple):
        return [value for one in batch for value in _values(one)]
    return [batch]
