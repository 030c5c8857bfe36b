"""The LightningModule of a cohort: it trains its members, those of one shape as one stack."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.learning.cohort.member import Member, SplitScores
from pipeline.learning.cohort.rows import UNMEASURED, EpochSteps, SplitTensors, evaluate
from pipeline.learning.cohort.stack import SingleNetwork, Stack, why_not_stackable
from pipeline.learning.failures import describe_failure
from pipeline.learning.lightning import LightningModule
from pipeline.learning.modules.layers import SingleOutput
from pipeline.trial import EpochScores

ALIGNED_VALUES: Final = 4
"""On processors without AVX-512, products of few rows are rounded differently where a member's rows
do not begin at a multiple of 16 bytes (measured on an AMD EPYC, 1 to 3 rows of 17 to 1,001)."""
Report = Callable[[EpochScores], None]
Batch = tuple[int, Sequence[Tensor]]
"""The index of a fold, and row numbers: one int64 tensor for each step."""
SaveCheckpoints = Callable[[Sequence[Member]], None]


class CohortModule(LightningModule):
    """Passes each batch to every member; those of one shape are trained as one.

    Args:
        members: The trials, of one batch size.
        splits: The rows of the study or, where it has folds, of each.
        report: Called with each epoch's scores of each member.
        save_checkpoints: Called with the members after each epoch, unless all have ended.

    Attributes:
        epochs_done: How many epochs the active members have been trained for, all the same.
    """

    def __init__(
        self,
        members: Sequence[Member],
        splits: Sequence[SplitTensors],
        *,
        report: Report,
        save_checkpoints: SaveCheckpoints = lambda _: None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.networks = nn.ModuleList()
        self.members = list(members)
        self.seconds = {"training": 0.0, "validation": 0.0}
        self.epochs_done = max((len(member.curve) for member in self.active), default=0)
        self._splits = list(splits)
        self._report = report
        self._save_checkpoints = save_checkpoints
        self._groups: list[list[Group]] = []
        self._epochs: list[EpochSteps] = []
        self._epoch_started = 0.0

    def build(self) -> None:
        """Build the members' networks; a large one may exhaust the memory."""
        for member in self.members:
            with member.failing_alone():
                member.build(self._splits)
                self.networks.extend(member.networks)

    @property
    def active(self) -> list[Member]:
        """The members that are trained: they have not ended and do not pause."""
        return [member for member in self.members if member.state is None]

    def configure_optimizers(self) -> list[Optimizer]:
        """Make each network's own optimizer, on the device that the rows are moved to as well."""
        self._splits = [split.to(self.device) for split in self._splits]
        optimizers = []
        for member in self.active:
            with member.failing_alone():
                optimizers.extend(member.make_optimizers())
        self._epochs = self._make_epochs()
        self._groups = [self._make_groups(fold) for fold in range(len(self._splits))]
        return optimizers

    def _make_groups(self, fold: int) -> list["Group"]:
        return make_groups(
            self.active,
            fold=fold,
            batch_size=min(self._batch_size, len(self._splits[fold].training)),
            device=self.device,
            first_step=self.epochs_done * self._epochs[fold].n_steps,
        )

    def _make_epochs(self) -> list[EpochSteps]:
        seed = self.members[0].config.seeds["order"]
        return [
            EpochSteps(
                split.training,
                batch_size=self._batch_size,
                seed=seed,
                epochs_done=self.epochs_done,
            )
            for split in self._splits
        ]

    @property
    def _batch_size(self) -> int:
        return self.members[0].config.batch_size

    def train_dataloader(self) -> "FoldSteps":
        """Iterate over the batches of an epoch, the same for all trials of a study."""
        return FoldSteps(self._epochs)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock and set its learning rates."""
        self._epoch_started = time.perf_counter()
        for member in self.active:
            member.begin_epoch()

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Do several optimizer steps of every active member on one fold.

        Args:
            batch: The fold and its row numbers.
            batch_idx: Not used: members count their own steps.
        """
        fold, steps = batch
        for numbers in steps:
            images, labels = self._splits[fold].training.take(numbers)
            for group in self._groups[fold]:
                if group.members:  # one that failed has none
                    group.step(images, labels)

    def on_train_epoch_end(self) -> None:
        """Score the active members, report, and stop once all have ended or pause."""
        trained = time.perf_counter()
        self.seconds["training"] += trained - self._epoch_started
        for split, groups in zip(self._splits, self._groups, strict=True):
            for group in groups:
                if group.members:
                    group.evaluate(split)
        seconds = time.perf_counter() - self._epoch_started
        for member in self.active:
            with member.failing_alone():
                self._report(member.end_epoch(seconds))
        for group in (group for groups in self._groups for group in groups):
            group.remove_ended()
        self.seconds["validation"] += time.perf_counter() - trained
        self.trainer.should_stop = not self.active
        if not all(member.has_ended for member in self.members):
            self._save_checkpoints(self.members)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Leave row numbers where they are: the loader made them on the device."""
        del device, dataloader_idx
        return batch


class Group:
    """Members whose networks of one fold are trained by one loop.

    Args:
        members: Of one shape.
        fold: The index of the fold.
        batch_size: Rows of a full batch.
        first_step: How many steps they have been trained for.
    """

    def __init__(
        self, members: Sequence[Member], *, fold: int, batch_size: int, first_step: int = 0
    ) -> None:
        self.members = list(members)
        self._fold = fold
        self._batch_size = batch_size
        self._first_step = first_step
        self._loop: Stack | SingleNetwork | None = None
        for index, member in enumerate(self.members):
            member.stack_index, member.stack_size = index, len(self.members)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step of every network.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: As ``Stack.step`` takes them.
        """
        with self._failing_alone():
            self._get_loop().step(images, labels)

    def evaluate(self, split: SplitTensors) -> None:
        """Score the networks with dropout off, and give each member its scores of the epoch."""
        with self._failing_alone():
            loop = self._get_loop()
            train, no_dropout = loop.train_scores(), evaluate(loop.score, split.probe)
            validation = (
                [UNMEASURED] * len(train)
                if split.validation is None
                else evaluate(loop.score, split.validation)
            )
            scores = zip(train, no_dropout, validation, strict=True)
            for member, one in zip(self.members, scores, strict=True):
                member.scores[self._fold] = SplitScores(*one)

    def remove_ended(self) -> None:
        """Go on without the networks of trials that have ended."""
        active = [member for member in self.members if member.state is None]
        if len(active) == len(self.members):
            return
        self.members = active
        with self._failing_alone():
            n_steps = self._loop.n_steps if self._loop else self._first_step
            self._loop = self._make_loop(n_steps) if active else None

    def _get_loop(self) -> Stack | SingleNetwork:
        if self._loop is None:
            self._loop = self._make_loop(self._first_step)
        return self._loop

    def _make_loop(self, first_step: int) -> Stack | SingleNetwork:
        networks = [member.networks[self._fold] for member in self.members]
        optimizers = [member.optimizers[self._fold] for member in self.members]
        precision = self.members[0].config.training.precision
        if why_not_stackable(networks[0].network):
            return SingleNetwork(
                networks[0], optimizers[0], first_step=first_step, precision=precision
            )
        return Stack(
            networks,
            optimizers,
            first_step=first_step,
            batch_size=self._batch_size,
            precision=precision,
        )

    @contextmanager
    def _failing_alone(self) -> Iterator[None]:
        """On an exception, fail a lone member; of several, nobody knows which is faulty."""
        try:
            yield
        except Exception as error:
            if len(self.members) > 1:
                raise
            for member in self.members:
                member.fail(describe_failure(error))
            self.members, self._loop = [], None


def make_groups(
    members: Sequence[Member],
    *,
    fold: int,
    batch_size: int,
    device: torch.device,
    first_step: int = 0,
) -> list[Group]:
    """Group the members whose networks may share a stack.

    Args:
        members: With networks and optimizers, in the cohort's order.
        fold: The index of the fold.
        batch_size: Rows of a full batch.
        device: Where they are trained.
        first_step: How many steps they have been trained for.
    """
    found: dict[object, list[Member]] = {}
    for member in members:
        member.alone_because = why_not_fused(member, member.networks[fold].network, device)
        key = id(member) if member.alone_because else member.config.shape
        found.setdefault(key, []).append(member)
    return [
        Group(same, fold=fold, batch_size=batch_size, first_step=first_step)
        for same in found.values()
    ]


def why_not_fused(member: Member, network: nn.Sequential, device: torch.device) -> str | None:
    """Say why a network is trained by itself; ``None`` where it may share a stack."""
    threads = member.config.training.threads
    if device.type == "cpu" and threads > 1:
        return f"{threads} threads share sums differently where there are more members"
    others = (layer for layer in network if not isinstance(layer, SingleOutput))
    if any(1 in weight.shape for layer in others for weight in layer.parameters()):
        # A matrix of one row or column: BLAS takes another kernel for a batch of one.
        return "a layer of one unit: its product is another alone"
    return why_not_stackable(network) or _why_not_aligned(network)


def _why_not_aligned(network: nn.Sequential) -> str | None:
    for layer in network:
        if isinstance(layer, nn.Linear) and layer.in_features % ALIGNED_VALUES:
            return (
                f"a layer with {layer.in_features} inputs, not a multiple of {ALIGNED_VALUES}: "
                "its product depends on where memory begins"
            )
    return None


class FoldSteps:
    """What the Trainer iterates: an epoch of each fold, one after another.

    Args:
        folds: The epochs' batches of each fold.
    """

    def __init__(self, folds: Sequence[EpochSteps]) -> None:
        self._folds = folds

    def __len__(self) -> int:
        """Count the calls of an epoch."""
        return sum(map(len, self._folds))

    def __iter__(self) -> Iterator[Batch]:
        """Go through the next epoch."""
        for fold, steps in enumerate(self._folds):
            for numbers in steps:
                yield fold, numbers
