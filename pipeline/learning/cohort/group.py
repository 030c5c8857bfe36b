"""Networks of a cohort that are trained as one: a stack, or one that has no stacked form."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from pipeline.learning.cohort.member import Learner, Measures
from pipeline.learning.cohort.rows import UNMEASURED, SplitTensors
from pipeline.learning.cohort.separate import Separate
from pipeline.learning.cohort.stack import Stack, why_not_stackable
from pipeline.learning.failures import describe_failure


def why_not_fused(learner: Learner, device: torch.device) -> str | None:
    """Say why a network is trained by itself; ``None`` where it may share a stack."""
    threads = learner.config.training.threads
    if device.type == "cpu" and threads > 1:
        return f"{threads} threads share sums differently where there are more members"
    if any(1 in weight.shape for weight in learner.network.parameters()):
        # A matrix of one row or column: BLAS takes another kernel for a batch of one.
        return "a layer of one unit: its product is another alone"
    return why_not_stackable(learner.network.network)


def make_groups(
    learners: Sequence[Learner], *, batch_size: int, device: torch.device, first_step: int = 0
) -> list["Group"]:
    """Put networks of one shape together.

    Args:
        learners: Begun, of one fold, in the cohort's order.
        batch_size: Rows of a full batch.
        device: Where they are trained.
        first_step: How many steps they have been trained for.
    """
    found: dict[object, list[Learner]] = {}
    for learner in learners:
        learner.alone_because = why_not_fused(learner, device)
        shape = learner.config.shape
        found.setdefault(id(learner) if learner.alone_because else shape, []).append(learner)
    return [Group(same, batch_size=batch_size, first_step=first_step) for same in found.values()]


class Group:
    """Trains its networks step by step; one whose trial is done leaves, the others go on.

    Args:
        learners: Of one shape.
        batch_size: Rows of a full batch.
        first_step: How many steps they have been trained for.
    """

    def __init__(
        self, learners: Sequence[Learner], *, batch_size: int, first_step: int = 0
    ) -> None:
        """Put the networks together."""
        self.learners = list(learners)
        self._first_step = first_step
        self._batch_size = batch_size
        self._loop: Stack | Separate | None = None
        for place, learner in enumerate(self.learners):
            learner.place, learner.n_companions = place, len(self.learners)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step of every network.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: int64 of shape [batch].
        """
        with self._failing_together():
            self._trained().step(images, labels)

    def measure(self, parts: SplitTensors) -> None:
        """Score the networks with dropout off, and tell each what the epoch came to."""
        with self._failing_together():
            loop = self._trained()
            train, no_dropout = loop.train_scores(), loop.evaluate(parts.probe)
            validation = (
                [UNMEASURED] * len(train)
                if parts.validation is None
                else loop.evaluate(parts.validation)
            )
            measured = zip(train, no_dropout, validation, strict=True)
            for learner, measures in zip(self.learners, measured, strict=True):
                learner.measures = Measures(*measures)

    def let_go(self) -> None:
        """Leave out the networks of trials that have ended."""
        staying = [learner for learner in self.learners if learner.member.state is None]
        if len(staying) == len(self.learners):
            return
        self.learners = staying
        with self._failing_together():
            n_steps = self._loop.n_steps if self._loop else self._first_step
            self._loop = self._make_loop(n_steps) if staying else None

    def _trained(self) -> Stack | Separate:
        if self._loop is None:
            self._loop = self._make_loop(self._first_step)
        return self._loop

    def _make_loop(self, first_step: int) -> Stack | Separate:
        first = self.learners[0]
        is_mixed = first.config.training.precision == "bf16-mixed"
        if why_not_stackable(first.network.network):
            return Separate(
                first.network, first.optimizer, first_step=first_step, is_mixed=is_mixed
            )
        return Stack(
            [learner.network for learner in self.learners],
            [learner.optimizer for learner in self.learners],
            first_step=first_step,
            batch_size=self._batch_size,
            is_mixed=is_mixed,
        )

    @contextmanager
    def _failing_together(self) -> Iterator[None]:
        """A lone trial fails with its cause; of several, each is to be tried alone."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any fault of a trial is recorded as its cause
            cause = describe_failure(error)
            is_torn = len(self.learners) > 1
            for learner in self.learners:
                learner.member.fail(cause)
                learner.member.is_torn = is_torn
            self.learners, self._loop = [], None
