"""Train a few steps of built-in models as a study would, and measure what they take."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median
from typing import Final, NamedTuple

import torch
from torch import nn

from pipeline.config import TrialConfig
from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.cohort.fit import train_members
from pipeline.learning.cohort.member import Member
from pipeline.learning.cohort.module import CohortModule
from pipeline.learning.cohort.rows import Rows, SplitTensors, load_splits
from pipeline.learning.data import PreparedData
from pipeline.learning.failures import describe_failure
from pipeline.learning.modules.build import build_network
from pipeline.learning.provenance import resolve_device
from pipeline.trial import Assignment, EpochScores, Speed, TrialState

FEW_STEPS: Final = 24
"""Of fewer the start of an epoch would be a large part."""
MANY_STEPS: Final = 128
LEAST_SECONDS: Final = 0.5
"""For these steps there is time in any case."""
FIRST_ROWS: Final = 1_000
"""Rows that are scored, at most, where no whole epoch is trained."""
SINGLE: Final = 4
"""Bytes of a float32."""
COPIES_OF_WEIGHTS: Final = 5
SIDE: Final = 256
N_PRODUCTS: Final = 20
MOST_CONTENTION: Final = 2.0
"""What is more is the work of others, that may be over soon."""
FEWEST_EPOCHS: Final = 3
"""Whole epochs are trained if there is time for so many; the first is left out, which warms up."""
DIVERGED: Final = "diverged: "
"""A rate may be too large for one setting: the study goes on."""


class Workbench:
    """A data set, split as the study splits it, to train some of its settings on.

    Args:
        data: The decoded data set.
        config: Any trial of the study.
    """

    def __init__(self, data: PreparedData, config: TrialConfig) -> None:
        splits, _ = load_splits(data, config.data, config.seeds["split"], is_refit=False)
        self._splits = list(splits)

    @property
    def n_train(self) -> int:
        """Rows of an epoch."""
        return sum(len(split.training) for split in self._splits)

    def count_parameters(self, config: TrialConfig) -> int:
        """Count the weights of a setting's networks; no memory is taken for them."""
        split = self._splits[0]
        with torch.device("meta"):
            network = build_network(config, image_shape=split.image_shape, labels=split.labels)
        return len(self._splits) * sum(weight.numel() for weight in network.parameters())

    def memory_bytes(self, config: TrialConfig) -> int:
        """Bytes of a trial while it is trained; no memory is taken for it.

        Weights, gradients, two moments and the best weights so far, and what each layer gives for
        each row of a batch, with its gradient.
        """
        split = self._splits[0]
        with torch.device("meta"):
            network = build_network(config, image_shape=split.image_shape, labels=split.labels)
            n_rows = min(config.batch_size, len(split.training))
            rows = torch.empty(n_rows, split.training.images.shape[1])
        n_outputs = _count_outputs(network, rows)
        n_weights = sum(weight.numel() for weight in network.parameters())
        return SINGLE * (COPIES_OF_WEIGHTS * n_weights * len(self._splits) + 2 * n_outputs)

    def try_step(self, config: TrialConfig) -> str | None:
        """Build a setting's network, make one step and score it.

        Returns:
            Why that fails; ``None`` where it does not.
        """
        one_step = [
            _first_rows(split, config.batch_size, 1, config.batch_size)
            for split in self._splits[:1]
        ]
        member = Member(Assignment(config=_of_epochs(config, 1), epochs=1))
        try:
            _train([member], one_step, math.inf)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return describe_failure(error)
        cause = member.cause or ""
        is_fault = member.state is TrialState.FAIL and not cause.startswith(DIVERGED)
        return cause if is_fault else None

    def measure(self, assignments: Sequence[Assignment], *, seconds: float) -> Speed | None:
        """Train a cohort for about so many seconds: whole epochs, where they are short enough.

        Returns:
            ``None`` where none of it could be trained.
        """
        deadline = time.perf_counter() + seconds
        speed, step_seconds = self._measure_steps(assignments, 1)
        if speed is None:
            return None
        if 2 * FEW_STEPS * step_seconds < max(deadline - time.perf_counter(), LEAST_SECONDS):
            speed, step_seconds = self._measure_steps(assignments, FEW_STEPS)
        left = deadline - time.perf_counter()
        if speed and speed.epoch_seconds * FEWEST_EPOCHS <= left:
            return self._measure_epochs(assignments, left) or speed
        n_steps = min(int(left / max(step_seconds, 1e-4) / 2), MANY_STEPS)
        return self._measure_steps(assignments, n_steps)[0] if n_steps > FEW_STEPS else speed

    def _measure_steps(
        self, assignments: Sequence[Assignment], n_steps: int
    ) -> tuple[Speed | None, float]:
        """Train two epochs of so many steps, and reckon the second up to a whole one.

        Returns:
            The speed, and the seconds of a step with its part of the scoring.
        """
        batch_size = assignments[0].config.batch_size
        n_scored = min(batch_size * n_steps, FIRST_ROWS)
        few = [_first_rows(split, batch_size, n_steps, n_scored) for split in self._splits[:1]]
        members = [
            Member(Assignment(config=_of_epochs(one.config, 2), epochs=2)) for one in assignments
        ]
        timed = _train(members, few, math.inf)
        if not timed:
            return None, 0.0
        last = timed[-1]
        whole, part = self._splits[0], few[0]
        n_batches = math.ceil(len(whole.training) / batch_size)
        by_step = last.training / math.ceil(len(part.training) / batch_size)
        by_row = last.validation / max(_n_scored(part), 1)
        epoch_seconds = len(self._splits) * (by_step * n_batches + by_row * _n_scored(whole))
        return self._speed(members, epoch_seconds), last.total / n_steps

    def _measure_epochs(self, assignments: Sequence[Assignment], seconds: float) -> Speed | None:
        n_folds = len(self._splits) if len(self._splits) > 1 else 0
        members = [
            Member(replace(one, pause_at=None, cutoffs=None), n_folds=n_folds)
            for one in assignments
        ]
        timed = _train(members, self._splits, time.perf_counter() + seconds)
        if not timed:
            return None
        full = [one.total for one in timed if one.n_active == len(members)]
        curves = tuple(
            tuple(scores.loss for scores in member.curve) for member in members if member.curve
        )
        return replace(self._speed(members, median(full[1:] or full)), losses=curves)

    def _speed(self, members: Sequence[Member], epoch_seconds: float) -> Speed:
        return Speed(
            config=members[0].config,
            n_members=len(members),
            epoch_seconds=epoch_seconds,
            n_parameters=members[0].n_parameters * len(self._splits),
        )

    def gain_of_bfloat16(self, config: TrialConfig) -> float | None:
        """How many times as fast as in 32-true a setting's steps are in bf16-mixed.

        A processor that multiplies bfloat16 slower than float32 is not asked for whole steps, which
        it may take seconds for.

        Returns:
            ``None`` where the network does not train.
        """
        device = torch.device(resolve_device(config.training.device))
        gain = _product_seconds(torch.float32, device) / _product_seconds(torch.bfloat16, device)
        if gain < 1:
            return gain
        exact, mixed = (self._step_seconds(config, name) for name in ("32-true", "bf16-mixed"))
        return exact / mixed if exact and mixed else None

    def _step_seconds(self, config: TrialConfig, precision: str) -> float | None:
        training = config.training.model_copy(update={"precision": precision, "epochs": 3})
        config = config.model_copy(update={"training": training})
        few = [_first_rows(self._splits[0], config.batch_size, 2, 1)]
        timed = _train([Member(Assignment(config=config, epochs=3))], few, math.inf)
        return min((one.training for one in timed), default=None)


def contention(n_workers: int) -> float:
    """How many times as long a product takes while as many workers multiply as there are.

    Workers share caches, memory, and cores that are halves of one.
    """
    if n_workers == 1:
        return 1.0
    with arithmetic(1), ThreadPoolExecutor(n_workers) as pool:
        alone = min(_products() for _ in range(3))
        together = [pool.submit(_products) for _ in range(3 * n_workers)]
        return min(max(median(one.result() for one in together) / alone, 1.0), MOST_CONTENTION)


def _products() -> float:
    left = torch.ones(SIDE, SIDE)
    started = time.perf_counter()
    for _ in range(N_PRODUCTS):
        left @ left
    return time.perf_counter() - started


def _product_seconds(dtype: torch.dtype, device: torch.device) -> float:
    """The least seconds of a product of matrices, of three tries."""
    left = torch.ones(SIDE, SIDE, dtype=dtype, device=device)
    found = []
    with arithmetic(1):
        for _ in range(4):
            started = time.perf_counter()
            (left @ left).sum().item()
            found.append(time.perf_counter() - started)
    return min(found[1:])


def _count_outputs(network: nn.Module, rows: torch.Tensor) -> int:
    """Count the numbers that all layers give for some rows."""
    counts: list[int] = []

    def count(_layer: nn.Module, _given: object, made: object) -> None:
        counts.append(made.numel() if isinstance(made, torch.Tensor) else 0)

    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(count)
    network.eval()
    with torch.no_grad():
        network(rows)
    return sum(counts)


class _EnoughError(Exception):
    """Time is up."""


class _Timed(NamedTuple):
    """The seconds of an epoch, and how many trials were trained in it."""

    training: float
    validation: float
    n_active: int

    @property
    def total(self) -> float:
        return self.training + self.validation


def _train(
    members: Sequence[Member], splits: Sequence[SplitTensors], deadline: float
) -> list[_Timed]:
    """Train members as a worker does, until a time, and note what each epoch took."""
    timed: list[_Timed] = []
    seen: set[int] = set()

    def report(scores: EpochScores) -> None:
        if scores.epoch not in seen:
            seen.add(scores.epoch)
            training = module.seconds["training"] - sum(one.training for one in timed)
            validation = max(scores.epoch_seconds - training, 0.0)
            timed.append(_Timed(training, validation, len(module.active)))
        if time.perf_counter() > deadline:
            raise _EnoughError

    module = CohortModule(members, splits, report=report)
    with arithmetic(members[0].config.training.threads):
        train_members(module)
    return timed


def _of_epochs(config: TrialConfig, n_epochs: int) -> TrialConfig:
    training = config.training.model_copy(update={"epochs": n_epochs})
    return config.model_copy(update={"training": training})


def _first_rows(split: SplitTensors, batch_size: int, n_steps: int, n_scored: int) -> SplitTensors:
    def first(rows: Rows, n_rows: int) -> Rows:
        return replace(rows, numbers=rows.numbers[:n_rows])

    validation = split.validation and first(split.validation, n_scored)
    training = first(split.training, batch_size * n_steps)
    return replace(
        split, training=training, validation=validation, probe=first(split.probe, n_scored)
    )


def _n_scored(split: SplitTensors) -> int:
    return len(split.probe) + len(split.validation or ())
