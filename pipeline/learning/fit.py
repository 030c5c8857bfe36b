"""Fit a cohort: what a worker does with what the driver hands over."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch

from pipeline.config import DataConfig
from pipeline.learning.cohort import CohortModule
from pipeline.learning.data import PreparedData, Split, open_train, split
from pipeline.learning.facts import collect_facts, resolve_device
from pipeline.learning.failures import describe_failure
from pipeline.learning.group import Report
from pipeline.learning.lightning import Trainer, expected_warnings
from pipeline.learning.member import Member
from pipeline.learning.rows import Rows
from pipeline.trial import Cohort, Facts, TrialOutcome, TrialState


def fit_cohort(cohort: Cohort, data: PreparedData, report: Report) -> list[TrialOutcome]:
    """Train the trials of a cohort together and say how each ended.

    What a trial does wrong (a loss that is not finite, an exception, memory exhausted) ends that
    trial with its cause; it never escapes. Where several trained as one and nobody knows whose
    fault it was, each is trained again alone.

    Args:
        cohort: The trials; they share data, batch size and training section.
        data: The decoded data set.
        report: Called with each epoch's scores as they come.

    Returns:
        One outcome a trial, in the cohort's order.
    """
    with _arithmetic(cohort.assignments[0].config.training.threads):
        return _fit(cohort, data, report)


@contextmanager
def _arithmetic(threads: int) -> Iterator[None]:
    """Set what sums and products depend on beside their numbers.

    A tenth of Adam's moments fade to denormal numbers (below 1e-38), which cost a processor up to
    a hundred times as much as a zero: they are set to zero, which no loss can tell.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _fit(cohort: Cohort, data: PreparedData, report: Report) -> list[TrialOutcome]:
    clock = _Clock()
    config = cohort.assignments[0].config
    rows, parts = _open(data, config.data, config.seeds["split"])
    clock.mark("data")
    members = [Member(assignment) for assignment in cohort.assignments]
    module = CohortModule(members, report=report, **rows)
    cause = _train(module, data)
    for member in module.active:
        member.fail(cause or "ended without a verdict")
        member.is_torn = len(members) > 1
    facts = [_facts(member, data, parts) for member in members]
    clock.spend(module.seconds, n_members=len(members))
    del module
    outcomes = [_outcome(*one, clock) for one in zip(members, facts, strict=True)]
    return [
        _fit(Cohort((member.assignment,)), data, report)[0] if member.is_torn else outcome
        for member, outcome in zip(members, outcomes, strict=True)
    ]


class _Clock:
    """Splits the worker's seconds by phase; what no phase claims is ``set_up``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def mark(self, phase: str) -> None:
        self.seconds[phase] = time.perf_counter() - self._started

    def spend(self, seconds: dict[str, float], *, n_members: int) -> None:
        """Take what the phases say, and share all seconds out among the members."""
        self.seconds.update(seconds)
        total = time.perf_counter() - self._started
        self.seconds["set_up"] = total - sum(self.seconds.values())
        self.seconds = {phase: spent / n_members for phase, spent in self.seconds.items()}


def _train(module: CohortModule, data: PreparedData) -> str | None:
    """Train until every member has left, or return what stopped it."""
    try:
        module.build(n_inputs=math.prod(data.image_shape), n_classes=data.n_classes)
        if module.active:
            with expected_warnings():
                _trainer(module).fit(module)
    except Exception as error:  # noqa: BLE001 - what is no single trial's fault ends them all
        return describe_failure(error)
    return None


def _trainer(module: CohortModule) -> Trainer:
    config = module.members[0].assignment.config.training
    device = resolve_device(config.device)
    return Trainer(
        accelerator={"cuda": "gpu"}.get(device, device),
        devices=1,
        precision=config.precision,
        max_epochs=max(member.assignment.epochs for member in module.members),
        deterministic=device == "cuda",
        barebones=True,
    )


@lru_cache(maxsize=1)
def _open(data: PreparedData, config: DataConfig, seed: int) -> tuple[dict[str, Rows], Split]:
    """Map the data set and split it, once for all trials of a worker."""
    images, labels = open_train(data)
    parts = split(labels, config, n_own_test=data.n_test, seed=seed)
    tensors = torch.from_numpy(images).flatten(1), torch.from_numpy(labels)
    numbers = {"training": parts.train, "validation": parts.validation, "probe": parts.train_probe}
    rows = {
        name: Rows(*tensors, torch.from_numpy(part), data.scale) for name, part in numbers.items()
    }
    return rows, parts


def _facts(member: Member, data: PreparedData, parts: Split) -> Facts:
    return collect_facts(
        member.assignment.config.training,
        data_sha256=data.sha256,
        split_sha256=parts.sha256,
        cohort={"place": member.place, "size": member.n_companions},
        alone_because=member.alone_because,
    )


def _outcome(member: Member, facts: Facts, clock: _Clock) -> TrialOutcome:
    return TrialOutcome(
        number=member.assignment.config.number,
        state=member.state or TrialState.FAIL,
        cause=member.cause,
        curve=tuple(member.curve),
        n_parameters=member.n_parameters,
        weights=member.weights_file(),
        facts=facts,
        seconds=clock.seconds,
    )
