"""A user's own module is kept at an epoch's start, and goes on from there in a fresh process."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from pipeline.learning.checkpoints.codec import NotPlainError, encode
from pipeline.learning.checkpoints.keeper import State
from pipeline.learning.lightning import LightningModule, Trainer
from pipeline.learning.own.attributes import Attributes
from pipeline.learning.own.randomness import random_state, set_random_state
from pipeline.learning.own.row_feed import RowBatches
from pipeline.learning.own.watch import EpochWatch


class NotTakenUpError(Exception):
    """A state that a fresh module cannot be brought into; the trial is trained anew."""


class EpochKeeper(Callback):
    """Keeps a training where an epoch starts, and takes a fresh one up at the same place.

    It is the Trainer's first callback, so nothing of the epoch has happened in either. What a
    fresh training did before its first epoch (its hooks, its loaders' first iterator) is
    overwritten, its chances too.

    Args:
        kept: The state to go on from; ``None``: from the start.
        is_due: Whether it is time for a checkpoint.
        keep: Writes one; it is given what takes the state.
    """

    def __init__(
        self,
        kept: State | None,
        *,
        is_due: Callable[[], bool],
        keep: Callable[[Callable[[], State]], None],
    ) -> None:
        """Wait for the first epoch."""
        self._kept = kept
        self._has_begun = False
        self._is_due = is_due
        self._keep = keep

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the state up at the first epoch; keep it at a later one if it is time.

        Raises:
            NotTakenUpError: The state does not fit this training.
        """
        training = _Training(trainer, pl_module)
        if not self._has_begun:
            self._has_begun = True
            if self._kept is not None:
                training.take_up(self._kept)
                self._kept = None
        elif self._is_due():
            self._keep(training.state)


class _Training:
    """A training between two epochs."""

    def __init__(self, trainer: Trainer, module: LightningModule) -> None:
        self._trainer = trainer
        self._module = module
        self._schedulers = [one.scheduler for one in trainer.lr_scheduler_configs]
        others = [
            one for one in _callbacks(trainer) if not isinstance(one, EpochKeeper | EpochWatch)
        ]
        self._attributes = Attributes(module, [*trainer.optimizers, *others])

    def state(self) -> State:
        """All that the rest of the training depends on.

        Raises:
            NotPlainError: Something cannot be written down for certain.
        """
        return {
            "loaders": [_loader_state(one) for one in self._loaders()],
            "attributes": self._attributes.read(),
            "weights": {name: value.detach() for name, value in self._tensors()},
            "needs_gradient": [one.requires_grad for one in self._module.parameters()],
            "gradients": self._gradients(),
            "optimizers": [one.state_dict() for one in self._trainer.optimizers],
            "schedulers": [one.state_dict() for one in self._schedulers],
            "progress": self._trainer.fit_loop.state_dict(),
            "metrics": dict(self._trainer.callback_metrics),
            "random": random_state(),
        }

    def take_up(self, kept: State) -> None:
        """Bring a training that has not begun into a state, and see that it is in it.

        Raises:
            NotTakenUpError: It is not.
        """
        try:
            self._put_back(kept)
            is_same = encode(self.state()) == encode(kept)
        except Exception as error:
            raise NotTakenUpError(str(error)) from error
        if not is_same:
            message = "the module, newly made, cannot be brought into the state that was kept"
            raise NotTakenUpError(message)

    def _put_back(self, kept: State) -> None:
        self._attributes.put_back(kept["attributes"])
        with torch.no_grad():
            for name, value in self._tensors():
                value.copy_(kept["weights"][name])
        for weight, needs in zip(self._module.parameters(), kept["needs_gradient"], strict=True):
            weight.requires_grad_(needs)
        for name, weight in self._module.named_parameters():
            gradient = kept["gradients"].get(name)
            weight.grad = None if gradient is None else gradient.to(weight.device)
        for optimizer, state in zip(self._trainer.optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        for scheduler, state in zip(self._schedulers, kept["schedulers"], strict=True):
            scheduler.load_state_dict(state)
        self._put_back_progress(kept)
        for loader, epoch in zip(self._loaders(), kept["loaders"], strict=True):
            if isinstance(loader, RowBatches):
                loader.epoch = epoch
        set_random_state(kept["random"])

    def _put_back_progress(self, kept: State) -> None:
        loop = self._trainer.fit_loop
        loop.load_state_dict(kept["progress"])
        # It stands where an epoch starts, so nothing of an epoch is to be repeated or skipped.
        loop.restarting = False
        loop.on_iteration_done()
        metrics = self._trainer.callback_metrics
        metrics.clear()
        device = self._module.device
        metrics.update({name: value.to(device) for name, value in kept["metrics"].items()})

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Weights and buffers, those that no state_dict holds as well."""
        for name, value in [*self._module.named_parameters(), *self._module.named_buffers()]:
            if is_lazy(value):
                message = f"{name}: its shape follows from the first batch"
                raise NotPlainError(message)
            yield name, value

    def _gradients(self) -> dict[str, Tensor]:
        """Where the module steps by itself, its gradients may outlive an epoch."""
        if self._module.automatic_optimization:
            return {}
        named = self._module.named_parameters()
        return {name: weight.grad for name, weight in named if weight.grad is not None}

    def _loaders(self) -> Iterator[Any]:
        yield from _flat(self._trainer.train_dataloader)
        yield from _flat(self._trainer.val_dataloaders)


def _callbacks(trainer: Trainer) -> list[Callback]:
    found: list[Callback] = vars(trainer)["callbacks"]  # a connector sets it: no type checker sees
    return found


def _flat(loaders: Any) -> Iterator[Any]:
    if isinstance(loaders, Mapping):
        loaders = list(loaders.values())
    if isinstance(loaders, list | tuple):
        for loader in loaders:
            yield from _flat(loader)
    elif loaders is not None:
        yield loaders


def _loader_state(loader: Any) -> int | None:
    """Where a loader stands that has an own order; others take theirs from the global chances.

    Raises:
        NotPlainError: It may know more: a sampler or a generator of its own, a stream of rows.
    """
    if isinstance(loader, RowBatches):
        return loader.epoch
    if not _is_forgetful(loader):
        message = f"a loader of its own order, {type(loader).__name__}"
        raise NotPlainError(message)
    return None


def _is_forgetful(loader: Any) -> bool:
    """Whether each epoch of a loader is a function of its rows and the global generators."""
    return (
        type(loader) is DataLoader
        and type(loader.sampler) in (RandomSampler, SequentialSampler)
        and type(loader.batch_sampler) in (BatchSampler, type(None))
        and getattr(loader.sampler, "generator", None) is None
        and loader.generator is None
        and not loader.persistent_workers
    )
