"""Trials trained together: one LightningModule whose members are ordinary modules."""

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.learning.cohort.group import Group, make_groups
from pipeline.learning.cohort.member import Learner, Member
from pipeline.learning.cohort.rows import EpochSteps, SplitTensors
from pipeline.learning.lightning import LightningModule
from pipeline.trial import EpochScores

Report = Callable[[EpochScores], None]
Batch = tuple[int, Sequence[Tensor]]
"""Which fold, and row numbers: one int64 tensor a step."""
Keep = Callable[[Sequence[Member]], None]


def keep_nothing(_members: Sequence[Member]) -> None:
    """Write no checkpoint."""


class CohortModule(LightningModule):
    """Feeds each batch to every member; those of one shape are trained as one.

    Args:
        members: The trials, of one batch size.
        parts: The rows of the study or, where it has folds, those of each.
        report: Called with each epoch's scores of each member.
        keep: Called with the members after each epoch but the last.

    Attributes:
        epochs_done: How many epochs the active members have behind them, all the same.
    """

    def __init__(
        self,
        members: Sequence[Member],
        parts: Sequence[SplitTensors],
        *,
        report: Report,
        keep: Keep = keep_nothing,
    ) -> None:
        """Take the members in; nothing is trained yet."""
        super().__init__()
        self.automatic_optimization = False
        self.networks = nn.ModuleList()
        self.members = list(members)
        self.seconds = {"training": 0.0, "validation": 0.0}
        self._parts = list(parts)
        self._report = report
        self._keep = keep
        self.epochs_done = max((len(member.curve) for member in self.active), default=0)
        self._groups: list[list[Group]] = []
        self._epochs: list[EpochSteps] = []
        self._epoch_started = 0.0

    def build(self) -> None:
        """Build the members' networks; a large one may exhaust the memory."""
        for member in self.members:
            with member.failing_alone():
                pairs = zip(member.learners, self._parts, strict=True)
                self.networks.extend([learner.build(parts) for learner, parts in pairs])
                weights = member.learners[0].network.parameters()
                member.n_parameters = sum(weight.numel() for weight in weights)

    @property
    def active(self) -> list[Member]:
        """The members that are still trained."""
        return [member for member in self.members if member.state is None]

    def configure_optimizers(self) -> list[Optimizer]:
        """Make each network's own optimizer, on the device where the rows are put as well."""
        self._parts = [parts.to(self.device) for parts in self._parts]
        optimizers = []
        for member in self.active:
            with member.failing_alone():
                optimizers.extend([learner.begin() for learner in member.learners])
        self._epochs = self._make_epochs()
        self._groups = [self._group(fold) for fold in range(len(self._parts))]
        return optimizers

    def _group(self, fold: int) -> list[Group]:
        learners: list[Learner] = [member.learners[fold] for member in self.active]
        return make_groups(
            learners,
            batch_size=min(self._batch_size, len(self._parts[fold].training)),
            device=self.device,
            first_step=self.epochs_done * self._epochs[fold].n_steps,
        )

    def _make_epochs(self) -> list[EpochSteps]:
        seed = self.members[0].assignment.config.seeds["order"]
        return [
            EpochSteps(
                parts.training,
                batch_size=self._batch_size,
                seed=seed,
                epochs_done=self.epochs_done,
            )
            for parts in self._parts
        ]

    @property
    def _batch_size(self) -> int:
        return self.members[0].assignment.config.batch_size

    def train_dataloader(self) -> "FoldSteps":
        """Iterate over the batches of an epoch, the same for all trials of a study."""
        return FoldSteps(self._epochs)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock and set its learning rates."""
        self._epoch_started = time.perf_counter()
        for member in self.active:
            for learner in member.learners:
                learner.begin_epoch(1 + len(member.curve))

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Do several optimizer steps of every active member on one fold.

        Args:
            batch: The fold and its row numbers.
            batch_idx: Not used: members count their own steps.
        """
        fold, steps = batch
        for numbers in steps:
            images, labels = self._parts[fold].training.take(numbers)
            for group in self._groups[fold]:
                if group.learners:  # one that failed has none
                    group.step(images, labels)

    def on_train_epoch_end(self) -> None:
        """Score the active members, report, and stop once all have left."""
        trained = time.perf_counter()
        self.seconds["training"] += trained - self._epoch_started
        for parts, groups in zip(self._parts, self._groups, strict=True):
            for group in groups:
                if group.learners:
                    group.measure(parts)
        seconds = time.perf_counter() - self._epoch_started
        for member in self.active:
            with member.failing_alone():
                self._report(member.end_epoch(seconds))
        for group in (group for groups in self._groups for group in groups):
            group.let_go()
        self.seconds["validation"] += time.perf_counter() - trained
        self.trainer.should_stop = not self.active
        if self.active:
            self._keep(self.members)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Leave row numbers where they are: the loader made them on the device."""
        del device, dataloader_idx
        return batch


class FoldSteps:
    """What the Trainer iterates: an epoch of each fold, one after another.

    Args:
        folds: The epochs' batches of each fold.
    """

    def __init__(self, folds: Sequence[EpochSteps]) -> None:
        """Start before the first epoch."""
        self._folds = folds

    def __len__(self) -> int:
        """Count the calls of an epoch."""
        return sum(map(len, self._folds))

    def __iter__(self) -> Iterator[Batch]:
        """Go through the next epoch."""
        for fold, steps in enumerate(self._folds):
            for numbers in steps:
                yield fold, numbers
