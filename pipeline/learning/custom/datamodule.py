"""Data loaders of a trial from the user's own data module, and a digest of what they yield."""

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.config import DataConfig, TrialConfig
from pipeline.errors import BadInputError
from pipeline.learning.custom.classes import build, find_class, given_to, seed_all
from pipeline.learning.custom.joined import NotJoinedError, join
from pipeline.learning.custom.loaders import DataArguments
from pipeline.learning.failures import describe_user_failure
from pipeline.learning.lightning import LightningDataModule
from pipeline.learning.provenance import DataFacts
from pipeline.trial import Assignment

LARGEST_PROBE_BYTES = 2**28
"""Memory that the fixed part of the training rows may take, 256 MiB."""


class Content(NamedTuple):
    """What a data module holds for the search.

    Attributes:
        facts: Data digest over the validation batches and one pass over the training loader; split
            digest over the validation batches alone.
        n_validation: Rows that validate.
    """

    facts: DataFacts
    n_validation: int


def open_module(path: str, arguments: Mapping[str, Any], *, seed: int) -> LightningDataModule:
    """Construct a user's data module and set it up for fitting, all generators seeded before."""
    custom = find_class(path, "data", where="trial")
    seed_all(seed)
    module: LightningDataModule = build(custom, arguments)
    module.setup("fit")
    return module


def arguments_of(config: TrialConfig) -> dict[str, Any]:
    """What a trial's data module is given."""
    custom = find_class(str(config.data.class_path), "data", where="trial")
    params = config.arguments | config.training.data_arguments
    return given_to(custom, params, config.data.init_args)


@lru_cache(maxsize=8)
def content_of(path: str, arguments: str, seed: int) -> Content:
    """Digest a data module's content, once a worker for each setting that it takes.

    It uses an instance of its own, so that the loaders that train are not advanced. Values are
    digested in the order in which they come and whatever the batches' size.

    Args:
        path: The class path.
        arguments: What its constructor is given, as JSON.
        seed: The study's, of the split.
    """
    module = open_module(path, json.loads(arguments), seed=seed)
    validation, n_validation = _digest(module.val_dataloader())
    seed_all(seed)
    training, _ = _digest(module.train_dataloader())
    both = hashlib.sha256(f"validation {validation}\ntraining {training}\n".encode())
    shape, n_classes = _shape_of(module, path)
    return Content(DataFacts(both.hexdigest(), validation, shape, n_classes), n_validation)


def _shape_of(module: LightningDataModule, path: str) -> tuple[tuple[int, ...] | None, int | None]:
    """What a record says of the rows, as far as a data module tells it."""
    arguments = module_arguments(module, path)
    found = []
    for name in ("image_shape", "n_classes"):
        try:
            found.append(arguments[name]())
        except Exception:  # noqa: BLE001 - a user's code may raise anything, and may not need it
            found.append(None)
    return found[0], found[1]


def flat_loaders(loaders: Any) -> Iterator[Any]:
    """Give every loader of what a ``Trainer`` takes: one loader, lists or mappings, or none."""
    if isinstance(loaders, Mapping):
        loaders = list(loaders.values())
    if isinstance(loaders, list | tuple):
        for loader in loaders:
            yield from flat_loaders(loader)
    elif loaders is not None:
        yield loaders


def _digest(loaders: Any) -> tuple[str, int]:
    parts: dict[str, Any] = {}
    n_rows = 0
    for batch in chain.from_iterable(flat_loaders(loaders)):
        for number, (key_path, value) in enumerate(_leaves(batch, "")):
            if number == 0 and isinstance(value, Tensor) and value.ndim:
                n_rows += value.shape[0]
            parts.setdefault(key_path, hashlib.sha256()).update(_bytes(value))
    whole = "\n".join(f"{key_path} {part.hexdigest()}" for key_path, part in sorted(parts.items()))
    return hashlib.sha256(whole.encode()).hexdigest(), n_rows


def _leaves(value: Any, key_path: str) -> Iterator[tuple[str, Any]]:
    """A batch's values by their key path in it; of tensors, type and row shape are part of that."""
    if isinstance(value, Tensor):
        yield f"{key_path}/{value.dtype}{list(value.shape[1:])}", value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{key_path}/{key}")
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _leaves(one, f"{key_path}/{number}")
    else:
        yield key_path, value


def tensor_bytes(value: Tensor) -> bytes:
    """A tensor's content in C order."""
    return bytes(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


def _bytes(value: Any) -> bytes:
    if isinstance(value, Tensor):
        return tensor_bytes(value)
    if isinstance(value, bytes):
        return value
    # Of an unknown object only its type is known to be the same in the next process.
    text = repr(value) if isinstance(value, str | int | float | None) else str(type(value))
    return text.encode()


@dataclass(frozen=True, slots=True)
class CustomData:
    """A user's data module: prepared once, opened by each worker.

    Attributes:
        name: The data module's class path.
    """

    name: str


def prepare_custom_data(config: DataConfig, params: Mapping[str, Any], *, where: str) -> CustomData:
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
    custom = find_class(path, "data", where=where)
    try:
        build(custom, given_to(custom, params, config.init_args)).prepare_data()
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        problem = f"prepare_data of {path} raises {describe_user_failure(error, path)}"
        raise BadInputError(where=where, key="data.class_path", problem=problem) from error
    return CustomData(path)


def open_data_module(assignment: Assignment) -> list["DataModuleLoaders"]:
    """The loaders of a trial, or of each of its folds, from the user's own data module.

    ``setup("fit")`` is called under the study's split seed, so what it splits at random is the
    same for all trials; the test rows are never asked for.

    Args:
        assignment: The trial.

    Raises:
        NotJoinedError: It has folds or is a refit, and the rows cannot be divided anew.
    """
    config = assignment.config
    path, seed = str(config.data.class_path), config.seeds["split"]
    arguments = arguments_of(config)
    facts, n_validation = content_of(path, json.dumps(arguments), seed)
    module = open_module(path, arguments, seed=seed)
    of_model = module_arguments(module, path)
    if assignment.is_refit:
        return [DataModuleLoaders(join(module, path).whole(), facts, of_model)]
    if config.data.folds is None:
        return [DataModuleLoaders(module, facts, of_model, n_probe=n_validation)]
    rows = join(module, path)
    folds, split_sha256 = rows.folds(config.data.folds, seed=seed)
    facts = facts._replace(split_sha256=split_sha256)
    n_probe = len(rows.numbers) // config.data.folds
    return [DataModuleLoaders(fold, facts, of_model, n_probe=n_probe) for fold in folds]


def check_joins(config: TrialConfig, *, where: str) -> None:
    """Refuse to train on training and validation rows together what only the module can join.

    Raises:
        BadInputError: With the reason, or what the module raises.
    """
    path = str(config.data.class_path)
    try:
        join(open_module(path, arguments_of(config), seed=config.seeds["split"]), path)
    except NotJoinedError as error:
        problem = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's code may raise anything
        problem = f"setting {path} up raises {describe_user_failure(error, path)}"
    else:
        return
    raise BadInputError(where=where, key="data.class_path", problem=problem)


class DataModuleLoaders:
    """Batches of the user's own data module.

    Args:
        module: Set up for fitting.
        facts: What is known of the data.
        arguments: What it gives a model's constructor.
        n_probe: Training rows that are scored with dropout off.
    """

    def __init__(
        self,
        module: LightningDataModule,
        facts: DataFacts,
        arguments: DataArguments,
        *,
        n_probe: int = 0,
    ) -> None:
        self.facts = facts
        self.arguments = arguments
        self._module = module
        self._probe = _first_rows(module, n_probe) if n_probe else None

    def fit_arguments(self) -> dict[str, Any]:
        """The module itself; it has been prepared and set up already."""
        return {"datamodule": _without(self._module, "prepare_data", "setup")}

    def no_dropout_arguments(self) -> dict[str, Any] | None:
        """A copy of the module, for the sake of its hooks, that validates on the probe's rows."""
        if self._probe is None:
            return None
        loader = _Batches(self._probe)
        twin = _without(copy.copy(self._module), "prepare_data", "setup", "teardown")
        vars(twin)["val_dataloader"] = lambda: loader
        return {"datamodule": twin}


@dataclass(frozen=True)
class _Batches:
    """A loader of batches that are there: the Trainer would take a list for several loaders."""

    batches: list[Any]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def module_arguments(module: LightningDataModule, path: str) -> DataArguments:
    """The arguments that a data module gives a model: its attributes, or the shape of a batch."""

    def image_shape() -> tuple[int, ...]:
        if hasattr(module, "image_shape"):
            return tuple(module.image_shape)
        images = next(iter(next(flat_loaders(module.val_dataloader()))))[0]
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

    Every epoch is scored on these same batches. ``None`` where there are several loaders, or where
    the rows of a batch cannot be counted.
    """
    batches: list[Any] = []
    n_bytes = 0
    loader = module.train_dataloader()
    if isinstance(loader, list | tuple | Mapping):
        return None
    for batch in loader:
        tensors = [
            value for _, value in _leaves(batch, "") if isinstance(value, Tensor) and value.ndim
        ]
        if not tensors or n_rows <= 0:
            break
        batches.append(batch)
        n_rows -= tensors[0].shape[0]
        n_bytes += sum(value.nbytes for value in tensors)
        if n_bytes > LARGEST_PROBE_BYTES:
            break
    return batches or None
