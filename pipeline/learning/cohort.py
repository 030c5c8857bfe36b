"""Trials trained together: one LightningModule whose members are ordinary modules."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.learning.group import Group, Report, make_groups
from pipeline.learning.lightning import LightningModule
from pipeline.learning.member import Member
from pipeline.learning.rows import EpochSteps, Rows


class CohortModule(LightningModule):
    """Feeds each batch to every member; those of one shape are trained as one.

    Args:
        members: The trials, of one batch size.
        training: The rows to train on.
        validation: The rows that decide.
        probe: The training rows that are scored with dropout off.
        report: Called with each epoch's scores of each member.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        training: Rows,
        validation: Rows,
        probe: Rows,
        report: Report,
    ) -> None:
        """Take the members in; nothing is trained yet."""
        super().__init__()
        self.automatic_optimization = False
        self.networks = nn.ModuleList()
        self.members = list(members)
        self.seconds = {"training": 0.0, "validation": 0.0}
        self._parts = {"training": training, "validation": validation, "probe": probe}
        self._report = report
        self._groups: list[Group] = []
        self._epoch_started = 0.0

    def build(self, *, n_inputs: int, n_classes: int) -> None:
        """Build the members' networks; a large one may exhaust the memory."""
        for member in self.members:
            with member.failing_alone():
                self.networks.append(member.build(n_inputs=n_inputs, n_classes=n_classes))

    @property
    def active(self) -> list[Member]:
        """The members that are still trained."""
        return [member for member in self.members if member.state is None]

    def configure_optimizers(self) -> list[Optimizer]:
        """Make each member's own optimizer, on the device where the rows are put as well."""
        self._parts = {name: rows.to(self.device) for name, rows in self._parts.items()}
        optimizers = []
        for member in self.active:
            with member.failing_alone():
                optimizers.append(member.begin())
        batch_size = min(self._batch_size, len(self._parts["training"]))
        self._groups = make_groups(self.active, batch_size=batch_size, device=self.device)
        return optimizers

    @property
    def _batch_size(self) -> int:
        return self.members[0].assignment.config.batch_size

    def train_dataloader(self) -> EpochSteps:
        """Iterate over the batches of an epoch, the same for all trials of a study."""
        seed = self.members[0].assignment.config.seeds["order"]
        return EpochSteps(self._parts["training"], batch_size=self._batch_size, seed=seed)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock."""
        self._epoch_started = time.perf_counter()

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Do several optimizer steps of every active member.

        Args:
            batch: Row numbers, one int64 tensor a step.
            batch_idx: Not used: members count their own steps.
        """
        for numbers in batch:
            images, labels = self._parts["training"].take(numbers)
            for group in self._active_groups:
                group.step(images, labels)

    @property
    def _active_groups(self) -> list[Group]:
        """The groups that have members left; one that fails has none."""
        return [group for group in self._groups if group.members]

    def on_train_epoch_end(self) -> None:
        """Score the active members, report, and stop once all have left."""
        trained = time.perf_counter()
        self.seconds["training"] += trained - self._epoch_started
        for group in self._active_groups:
            group.end_epoch(
                validation=self._parts["validation"],
                probe=self._parts["probe"],
                started=self._epoch_started,
                report=self._report,
            )
        self.seconds["validation"] += time.perf_counter() - trained
        self.trainer.should_stop = not self._active_groups

    def transfer_batch_to_device(
        self, batch: Sequence[Tensor], device: torch.device, dataloader_idx: int
    ) -> Sequence[Tensor]:
        """Leave row numbers where they are: the loader made them on the device."""
        del device, dataloader_idx
        return batch
