"""Members of a cohort that are trained as one: a stack, or a network that has no stacked form."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from pipeline.learning.failures import describe_failure
from pipeline.learning.fused import Stack, why_not_stackable
from pipeline.learning.member import Member
from pipeline.learning.rows import Rows
from pipeline.learning.separate import Separate
from pipeline.trial import EpochScores

Report = Callable[[EpochScores], None]


def why_not_fused(member: Member, device: torch.device) -> str | None:
    """Say why a trial is trained by itself; ``None`` where it may share a stack."""
    threads = member.assignment.config.training.threads
    if device.type == "cpu" and threads > 1:
        return f"{threads} threads share sums differently where there are more members"
    if any(1 in weight.shape for weight in member.network.parameters()):
        # A matrix of one row or column: BLAS takes another kernel for a batch of one.
        return "a layer of one unit: its product is another alone"
    return why_not_stackable(member.network.network)


def make_groups(
    members: Sequence[Member], *, batch_size: int, device: torch.device
) -> list["Group"]:
    """Put members of one shape together.

    Args:
        members: Begun, in the cohort's order.
        batch_size: Rows of a full batch.
        device: Where they are trained.
    """
    found: dict[object, list[Member]] = {}
    for member in members:
        member.alone_because = why_not_fused(member, device)
        shape = member.assignment.config.shape
        found.setdefault(id(member) if member.alone_because else shape, []).append(member)
    return [Group(same, batch_size=batch_size) for same in found.values()]


class Group:
    """Trains its members step by step; one that is done leaves, the others go on.

    Args:
        members: Of one shape.
        batch_size: Rows of a full batch.
    """

    def __init__(self, members: Sequence[Member], *, batch_size: int) -> None:
        """Put the members together."""
        self.members = list(members)
        self._batch_size = batch_size
        self._loop: Stack | Separate | None = None
        for place, member in enumerate(self.members):
            member.place, member.n_companions = place, len(self.members)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step of every member.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: int64 of shape [batch].
        """
        with self._failing_together():
            self._trained().step(images, labels)

    def end_epoch(self, *, validation: Rows, probe: Rows, started: float, report: Report) -> None:
        """Score the members with dropout off, report, and let go of those that are done.

        Args:
            validation: The rows that decide.
            probe: The fixed training rows of the curve without dropout.
            started: ``time.perf_counter()`` at the epoch's beginning.
            report: Called with each member's scores.
        """
        with self._failing_together():
            loop = self._trained()
            scores = zip(
                loop.train_scores(), loop.evaluate(validation), loop.evaluate(probe), strict=True
            )
            seconds = time.perf_counter() - started
            for member, (train, valid, no_dropout) in zip(self.members, scores, strict=True):
                with member.failing_alone():
                    report(member.take(train, valid, no_dropout[0], seconds))
            self._let_go(loop)

    def _let_go(self, loop: Stack | Separate) -> None:
        staying = [member for member in self.members if member.state is None]
        if len(staying) < len(self.members):
            self.members = staying
            self._loop = self._make_loop(loop.n_steps) if staying else None

    def _trained(self) -> Stack | Separate:
        if self._loop is None:
            self._loop = self._make_loop(0)
        return self._loop

    def _make_loop(self, first_step: int) -> Stack | Separate:
        first = self.members[0]
        is_mixed = first.assignment.config.training.precision == "bf16-mixed"
        if why_not_stackable(first.network.network):
            return Separate(
                first.network, first.optimizer, first_step=first_step, is_mixed=is_mixed
            )
        return Stack(
            [member.network.network for member in self.members],
            [member.optimizer for member in self.members],
            first_step=first_step,
            batch_size=self._batch_size,
            is_mixed=is_mixed,
        )

    @contextmanager
    def _failing_together(self) -> Iterator[None]:
        """A lone member fails with its cause; of several, each is to be tried alone."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any fault of a trial is recorded as its cause
            cause = describe_failure(error)
            is_torn = len(self.members) > 1
            for member in self.members:
                member.fail(cause)
                member.is_torn = is_torn
            self.members, self._loop = [], None
