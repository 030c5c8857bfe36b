"""Resume a user's module from Lightning's checkpoint, and notice where that would not be exact.

The checkpoint is what ``Trainer.save_checkpoint`` puts together, written by this project's codec
instead of pickle, with the states of the random generators beside it. As Lightning's users expect,
it holds ``state_dict``, optimizers, schedulers, callbacks' states and what ``on_save_checkpoint``
adds. A module may depend on more: a counter in a plain attribute, a metric that is never reset. So
a digest of everything reachable goes along, and a resumed training whose digest differs is given
up: the trial is trained anew (docs/decisions/0018).
"""

import hashlib
import io
import pickle
import random
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset, IterableDataset

from pipeline.learning.checkpoints.states import State
from pipeline.learning.custom.datamodule import flat_loaders, tensor_bytes
from pipeline.learning.custom.loaders import RowBatches
from pipeline.learning.lightning import (
    Callback,
    Checkpoint,
    CheckpointIO,
    LightningDataModule,
    LightningModule,
    Trainer,
    _TunerExitException,
    isolate_rng,
)
from pipeline.learning.modules.layers import Dropping

IN_MEMORY: Final = "in memory"
"""Given to ``Trainer.fit`` as the checkpoint's path."""

HYPERPARAMETERS: Final = {
    LightningModule.CHECKPOINT_HYPER_PARAMS_KEY,
    LightningDataModule.CHECKPOINT_HYPER_PARAMS_KEY,
}
"""Where a checkpoint of Lightning's holds what ``save_hyperparameters`` took."""

UNCHANGING: Final = (Trainer, LightningDataModule, RowBatches, Checkpoint, Dropping)
"""Not part of the digest: set anew before each use, or the user's data, assumed not to change."""

OF_LIGHTNING: Final = (
    frozenset(vars(LightningModule()))
    - {"training", "_parameters", "_buffers", "_modules", "_automatic_optimization"}
) | {"_non_persistent_buffers_set"}
"""Attributes that Lightning keeps for itself in every module, and a set, which has no order."""


class NotResumedError(Exception):
    """A checkpoint that a fresh training cannot be brought to; the trial is trained anew."""


class PausedError(_TunerExitException):
    """Ends ``Trainer.fit`` in good order: hooks of teardown run, none of an error or of an end."""


class InMemoryCheckpointIO(CheckpointIO):
    """Hands Lightning's checkpoint over as a dictionary: no file is written, nothing unpickles.

    Hyperparameters are left out: the constructor is given them again, and they may be objects.
    """

    checkpoint: dict[str, Any]

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Take the checkpoint from the Trainer."""
        del path, storage_options
        self.checkpoint = {key: checkpoint[key] for key in checkpoint.keys() - HYPERPARAMETERS}

    def load_checkpoint(
        self,
        path: Any,
        map_location: Any = None,
        weights_only: bool | None = None,  # noqa: FBT001 - Lightning's signature
    ) -> dict[str, Any]:
        """Give the checkpoint to the Trainer."""
        del path, map_location, weights_only
        return self.checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """There is no file."""


class EpochCheckpoint(Callback):
    """Saves a training where an epoch starts, and completes a resumed one at the same point.

    It is the Trainer's first callback, so nothing of the epoch has happened yet. What a resumed
    training drew from the random generators before (its hooks, its loaders' first iterator) is
    overwritten.

    Args:
        saved: The state to resume from; ``None``: train from the start.
        is_due: Whether it is time for a checkpoint.
        is_paused: Whether the trial pauses here, which it does with a checkpoint.
        save: Writes one; it is given what takes the state.

    Attributes:
        io: The plugin for the Trainer.
        is_resuming: Whether the state is still to be restored.
        has_paused: Whether the training was ended for a pause.
    """

    def __init__(
        self,
        saved: State | None,
        *,
        is_due: Callable[[], bool],
        is_paused: Callable[[], bool],
        save: Callable[[Callable[[], State]], None],
    ) -> None:
        self.io = InMemoryCheckpointIO()
        self.is_resuming = saved is not None
        self.has_paused = False
        self._saved = saved
        self._is_first = True
        self._is_due = is_due
        self._is_paused = is_paused
        self._save = save
        if saved is not None:
            self.io.checkpoint = saved["checkpoint"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complete the resumed state at the first epoch; save at a later one if it is time.

        Raises:
            NotResumedError: The training differs from the one that was saved.
            PausedError: The trial pauses.
        """
        is_paused = self._is_paused()
        if not self._is_first and (is_paused or self._is_due()):
            self._save(lambda: self._state(trainer, pl_module))
        self._is_first = False
        if self._saved is not None:
            _complete(trainer, pl_module, self._saved)
            if digest_of(trainer, pl_module) != self._saved["digest"]:
                message = "the module depends on more than its checkpoint holds"
                raise NotResumedError(message)
            self._saved, self.is_resuming = None, False
        if is_paused:
            self.has_paused = True
            raise PausedError

    def _state(self, trainer: Trainer, module: LightningModule) -> State:
        generators = random_state()
        with isolate_rng():  # a user's on_save_checkpoint may draw
            trainer.save_checkpoint(IN_MEMORY)
        return {
            "checkpoint": self.io.checkpoint,
            "gradients": _gradients(module),
            "metrics": dict(trainer.callback_metrics),
            "random": generators,
            "digest": digest_of(trainer, module),
        }


def _complete(trainer: Trainer, module: LightningModule, saved: State) -> None:
    """Restore what ``Trainer.fit(ckpt_path=…)`` leaves out."""
    loop = trainer.fit_loop
    # Asked for estimated_stepping_batches, Lightning has made the loader before it read its state.
    is_loader_new = bool(loop._combined_loader_states_to_load)  # noqa: SLF001
    loop.load_state_dict(saved["checkpoint"]["loops"]["fit_loop"])  # it was moved on since
    if is_loader_new:
        loop._load_combined_loader_states()  # noqa: SLF001
    # The state is of an epoch's start: no part of an epoch is repeated, and the loaders begin anew.
    loop.restarting = False
    loop.on_iteration_done()
    for name, value in saved["metrics"].items():
        trainer.callback_metrics[name] = value.to(module.device)
    for name, weight in module.named_parameters():
        if name in saved["gradients"]:
            weight.grad = saved["gradients"][name].to(weight.device)
    set_random_state(saved["random"])


def _gradients(module: LightningModule) -> dict[str, Tensor]:
    """Where a module steps by itself, its gradients may outlive an epoch."""
    if module.automatic_optimization:
        return {}
    named = module.named_parameters()
    return {name: weight.grad for name, weight in named if weight.grad is not None}


def digest_of(trainer: Trainer, module: LightningModule) -> str:
    """Digest all that the rest of a training depends on, but for the random generators.

    The module with its weights, buffers and attributes, the optimizers, the schedulers, the user's
    callbacks and the loaders' samplers; the data themselves are assumed not to change.

    Raises:
        Exception: Something cannot be pickled, and so not be compared: a generator, a lock.
    """
    callbacks: list[Callback] = vars(trainer)["callbacks"]  # set by a connector, unseen by types
    found = io.BytesIO()
    _Pickler(found, has_gradients=not module.automatic_optimization).dump(
        (
            module,
            trainer.optimizers,
            [config.scheduler for config in trainer.lr_scheduler_configs],
            [one for one in callbacks if not isinstance(one, EpochCheckpoint)],
            [*flat_loaders(trainer.train_dataloader), *flat_loaders(trainer.val_dataloaders)],
        )
    )
    return hashlib.sha256(found.getvalue()).hexdigest()


def _is_plain_tuple(value: Any) -> bool:
    return type(value) is tuple and all(isinstance(one, int | float | str) for one in value)


class _Content:
    """Stands for an object of which some attributes do not count."""


class _Pickler(pickle.Pickler):
    """Writes objects down to be compared; nothing is ever unpickled."""

    def __init__(self, file: io.BytesIO, *, has_gradients: bool) -> None:
        super().__init__(file, protocol=5)
        self._has_gradients = has_gradients

    def persistent_id(self, value: Any) -> str | None:
        """Identify tensors and text by their content, and code and data by their name."""
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, str | bytes) or _is_plain_tuple(value):
            return repr(value)  # else equal ones would count as others unless they are one object
        if isinstance(value, FunctionType | BuiltinFunctionType | ModuleType):
            return f"{getattr(value, '__module__', None)}.{value.__name__}"
        is_data = isinstance(value, Dataset) and not isinstance(value, IterableDataset)
        return type(value).__qualname__ if is_data or isinstance(value, UNCHANGING) else None

    def reducer_override(self, value: Any) -> Any:
        """Leave out of modules and optimizers what their libraries keep for themselves."""
        if isinstance(value, nn.Module):
            attributes: dict[str, Any] = value.__getstate__()  # type: ignore[no-untyped-call]
            counted = {name: attributes[name] for name in attributes.keys() - OF_LIGHTNING}
        elif isinstance(value, Optimizer):
            counted = {name: one for name, one in vars(value).items() if name[0] != "_"}
            counted = {name: counted[name] for name in counted.keys() - {"state", "param_groups"}}
            counted["state_dict"] = value.state_dict()
        else:
            return NotImplemented
        return _Content, (), [type(value), sorted(counted.items())]

    def _tensor(self, value: Tensor) -> str:
        if value.grad_fn is not None:
            message = "a tensor of a graph"
            raise pickle.PicklingError(message)
        content = hashlib.sha256(tensor_bytes(value)).hexdigest()
        text = f"{value.dtype} {list(value.shape)} {value.requires_grad} {content}"
        if value.grad is None or not self._has_gradients:
            return text
        return f"{text}, gradient {self._tensor(value.grad)}"


def random_state() -> dict[str, Any]:
    """The states of the global random generators, as plain values, arrays and tensors."""
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - a user's code may draw from it
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Set the global random generators to what ``random_state`` gave."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002 - a user's code may draw from it
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])
