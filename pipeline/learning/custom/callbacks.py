"""What is recorded, scored and saved at each epoch of a user's module."""

import copy
import inspect
import math
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from pipeline.config import Frozen
from pipeline.learning.checkpoints.codec import NotPlainError, check_plain, encode
from pipeline.learning.checkpoints.keeper import State
from pipeline.learning.cohort.member import Progress
from pipeline.learning.custom.classes import seed_all
from pipeline.learning.custom.loaders import RowBatches
from pipeline.learning.lightning import (
    Callback,
    Checkpoint,
    LightningDataModule,
    LightningModule,
    Trainer,
    isolate_rng,
)
from pipeline.trial import EpochScores


def random_state() -> dict[str, Any]:
    """Where each generator stands, as plain values, arrays and tensors."""
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
    """Put each generator where ``random_state`` found it."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002 - a user's code may draw from it
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


class Probe:
    """Validates a copy of the module in a Trainer of its own.

    The copy's ``validation_step`` runs with every layer in eval mode. The module that is trained,
    its Trainer, its metrics and the random generators are left as they are. The score is one curve
    more and never worth a trial: what cannot be copied or scored so has none.

    Args:
        trainer: For nothing else.
        feed: The arguments of ``Trainer.validate``; ``None``: there is nothing to score.
    """

    def __init__(self, trainer: Trainer, feed: Mapping[str, Any] | None) -> None:
        """Score nothing yet."""
        self._trainer = trainer
        self._feed = feed

    def loss(self, module: LightningModule) -> float:
        """The ``val_loss`` that the module logs on the probe; NaN where there is none."""
        if self._feed is None:
            return math.nan
        try:
            return self._score(_copy_of(module), self._feed)
        except Exception:  # noqa: BLE001 - the same step has just passed where it decides
            self._feed = None
            return math.nan

    def _score(self, twin: LightningModule, feed: Mapping[str, Any]) -> float:
        with isolate_rng():
            (scores,) = self._trainer.validate(twin, verbose=False, **feed)
        return float(scores.get("val_loss", math.nan))


def _copy_of(module: LightningModule) -> LightningModule:
    twin = copy.deepcopy(module)
    # Lightning's cache of the module's metrics knows them by id: the copy's are others.
    twin._metric_attributes = None  # noqa: SLF001
    return twin


Report = Callable[[EpochScores], None]


class EpochRecorder(Checkpoint):
    """Takes each epoch's scores, keeps the best weights, and stops where the trial ends.

    A ``Checkpoint`` is called last, so what the module logs in ``on_train_epoch_end`` counts.

    Args:
        progress: Decides.
        report: Called with each epoch's scores.
        probe: Scores the fixed part of the training rows.

    Attributes:
        weights: Of the best epoch; of a refit, the last.
        seconds: By phase.
    """

    def __init__(self, progress: Progress, *, report: Report, probe: Probe) -> None:
        """Start before the first epoch."""
        self.weights: dict[str, Tensor] | None = None
        self.seconds = {"training": 0.0, "validation": 0.0}
        self._progress = progress
        self._report = report
        self._probe = probe
        self._losses: list[Tensor] = []
        self._rate = math.nan
        self._started = self._validating = 0.0
        self._validation_seconds = 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the training's own chances, once loaders and module are there."""
        del trainer, pl_module, stage
        seed_all(self._progress.assignment.config.seeds["dropout"])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        del trainer, pl_module
        self._losses.clear()
        self._validation_seconds = 0.0
        self._started = time.perf_counter()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the learning rate of the step that comes."""
        del pl_module, batch, batch_idx
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        self._rate = float(groups[0]["lr"]) if groups else math.nan

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep what ``training_step`` returned, for modules that do not log it."""
        del trainer, pl_module, batch, batch_idx
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            self._losses.append(loss.detach())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the validation's clock."""
        del trainer, pl_module
        self._validating = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the validation's clock."""
        del trainer, pl_module
        self._validation_seconds += time.perf_counter() - self._validating

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score, report, keep the weights if they are the best, and stop if the trial ends."""
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        logged.setdefault("train_loss", self._mean_loss())
        missing = self._missing(logged)
        if missing is None:
            self._take(logged, pl_module)
        else:
            self._progress.fail(missing)
        trainer.should_stop = trainer.should_stop or self._progress.state is not None

    def _mean_loss(self) -> float:
        return float(torch.stack(self._losses).double().mean()) if self._losses else math.nan

    def _missing(self, logged: Mapping[str, float]) -> str | None:
        epoch = len(self._progress.curve) + 1
        if "val_loss" not in logged and not self._progress.assignment.is_refit:
            return (
                f"val_loss was not logged by the end of epoch {epoch}: "
                'validation_step must self.log("val_loss", …)'
            )
        if math.isnan(logged["train_loss"]) and not self._losses:
            return (
                f"train_loss was not logged by the end of epoch {epoch}: training_step must "
                'return the loss or self.log("train_loss", …, on_epoch=True)'
            )
        return None

    def _take(self, logged: Mapping[str, float], module: LightningModule) -> None:
        started = time.perf_counter()
        no_dropout = self._probe.loss(module)
        ended = time.perf_counter()
        validation = self._validation_seconds + ended - started
        self.seconds["validation"] += validation
        self.seconds["training"] += ended - self._started - validation
        scores = self._scores(logged, no_dropout, ended - self._started)
        if self._progress.take(scores):
            self.weights = kept(module)
        self._report(scores)

    def _scores(
        self, logged: Mapping[str, float], no_dropout: float, epoch_seconds: float
    ) -> EpochScores:
        def found(name: str) -> float:
            return logged.get(name, math.nan)

        return EpochScores(
            number=self._progress.assignment.config.number,
            epoch=len(self._progress.curve) + 1,
            ended_at_ms=time.time_ns() // 1_000_000,
            train_loss=found("train_loss"),
            train_accuracy=found("train_accuracy"),
            train_loss_no_dropout=no_dropout,
            val_loss=found("val_loss"),
            val_accuracy=found("val_accuracy"),
            learning_rate=self._rate,
            epoch_seconds=epoch_seconds,
            repeat=self._progress.assignment.config.repeat,
        )


def kept(module: LightningModule) -> dict[str, Tensor]:
    """Copy a module's weights to where no step changes them; tied ones become two.

    Raises:
        TypeError: The state holds what safetensors cannot.
    """
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            message = f"state_dict()[{name!r}] is a {type(value).__name__}, and weights are tensors"
            raise TypeError(message)
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}


CODE: Final = (type, FunctionType, BuiltinFunctionType)
FIXED: Final = (
    *(MethodType, ModuleType, partial, torch.dtype, torch.device, torch.Size),
    *(inspect.Signature, re.Pattern, PurePath, Enum, Trainer, LightningDataModule, Frozen),
)
"""What does not change while a trial is trained; beside the user's data, which is assumed so."""
MAPPINGS: Final = (dict, OrderedDict, type(LightningModule().hparams))
OF_EVERY_MODULE: Final = frozenset(vars(LightningModule())) - {
    "training",
    "_automatic_optimization",
}
OF_EVERY_OPTIMIZER: Final = frozenset({"state", "param_groups", "defaults"})

Tree = dict[str, Any]
"""A holder's type and its parts by name: the plain, the fixed, and the trees of all others."""


class _Bare:
    """An object without anything behind its attributes."""


class Attributes:
    """The attributes of a module, of its submodules, and of all objects that these hold.

    Args:
        module: The module.
        others: Objects that take part in its training as well.
    """

    def __init__(self, module: LightningModule, others: Iterable[object]) -> None:
        """Look at nothing yet."""
        self._roots = [*module.modules(), *others]
        known = [*self._roots, *module.parameters(), *module.buffers()]
        self._known = {id(one): place for place, one in enumerate(known)}
        self._memory = {
            one.untyped_storage().data_ptr() for one in known if isinstance(one, Tensor)
        }

    def read(self) -> list[Tree]:
        """Read them.

        Raises:
            NotPlainError: Something cannot be read for certain.
        """
        seen: set[int] = set()
        return [self._tree(root, seen) for root in self._roots]

    def put_back(self, trees: Sequence[Tree]) -> None:
        """Set them to what was read, as far as these are equal objects: ``read`` tells if so."""
        for root, tree in zip(self._roots, trees, strict=False):
            _put_back(root, tree)

    def _tree(self, holder: object, seen: set[int]) -> Tree:
        plain, fixed, held = {}, {}, {}
        for name, value in sorted(parts_of(holder).items(), key=lambda part: str(part[0])):
            told = self._told(value)
            if told is not None:
                fixed[name] = told
            elif self._is_plain(value, seen):
                plain[name] = value
            elif id(value) in seen:
                message = f"{name}: a {type(value).__name__} that two hold"
                raise NotPlainError(message)
            else:
                seen.add(id(value))
                held[name] = self._tree(value, seen)
        return {"type": _name(type(holder)), "plain": plain, "fixed": fixed, "held": held}

    def _told(self, value: object) -> str | None:
        """What does not change, or is kept elsewhere, in words; ``None`` of all else."""
        if id(value) in self._known:
            return f"part {self._known[id(value)]}"
        if isinstance(value, CODE):
            return _name(value)
        return _name(type(value)) if isinstance(value, FIXED) else None

    def _is_plain(self, value: object, seen: set[int]) -> bool:
        within = seen | self._known.keys()
        try:
            check_plain(value, within, self._check_tensor)
        except NotPlainError:
            return False
        seen |= within - self._known.keys()
        return True

    def _check_tensor(self, value: Tensor) -> None:
        """Refuse a tensor that is more than its values: of a graph, or a view of a weight."""
        if value.requires_grad or value.untyped_storage().data_ptr() in self._memory:
            message = "a tensor of a graph, or of another's memory"
            raise NotPlainError(message)


def parts_of(holder: object) -> dict[Any, Any]:
    """What an object holds, by name, key or place; what every module has is left out.

    Raises:
        NotPlainError: It may hold more than can be seen.
    """
    if isinstance(holder, nn.Module):
        return _without(vars(holder), OF_EVERY_MODULE)
    if isinstance(holder, Optimizer):
        own = _without(vars(holder), OF_EVERY_OPTIMIZER)
        return {name: value for name, value in own.items() if not name.startswith("_optimizer_")}
    if type(holder) in MAPPINGS:
        assert isinstance(holder, Mapping)  # noqa: S101 - for the type checker
        return dict(holder)
    if type(holder) in (list, tuple):
        assert isinstance(holder, Sequence)  # noqa: S101 - for the type checker
        return dict(enumerate(holder))
    if hasattr(holder, "__dict__") and type(holder).__basicsize__ == _Bare.__basicsize__:
        return vars(holder)
    message = f"a {type(holder).__name__}"
    raise NotPlainError(message)


def _put_back(holder: Any, tree: Tree) -> None:
    there = parts_of(holder)
    for name in there.keys() - tree["plain"].keys() - tree["fixed"].keys() - tree["held"].keys():
        _drop(holder, name)
    for name, value in tree["plain"].items():
        _set(holder, name, value)
    for name, held in tree["held"].items():
        if name in there:
            _put_back(there[name], held)


def _set(holder: Any, name: Any, value: Any) -> None:
    if isinstance(holder, list | dict):
        holder[name] = value
    elif not isinstance(holder, tuple):
        vars(holder)[name] = value


def _drop(holder: Any, name: Any) -> None:
    if isinstance(holder, dict):
        del holder[name]
    elif not isinstance(holder, list | tuple):
        del vars(holder)[name]


def _without(parts: Mapping[str, Any], names: frozenset[str]) -> dict[Any, Any]:
    return {name: value for name, value in parts.items() if name not in names}


def _name(code: Any) -> str:
    return f"{code.__module__}.{code.__qualname__}"


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
            one for one in _callbacks(trainer) if not isinstance(one, EpochKeeper | EpochRecorder)
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
