"""Fit a cohort: what a worker does with what the driver hands over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.learning.checkpoints import Resumable
from pipeline.learning.checkpoints.cohorts import Keeping, at_one_epoch
from pipeline.learning.checkpoints.keeper import Keeper
from pipeline.learning.cohort.member import Member
from pipeline.learning.cohort.module import CohortModule, Report
from pipeline.learning.cohort.rows import SplitTensors, load_splits
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.custom.trainer import fit_custom
from pipeline.learning.data import PreparedData
from pipeline.learning.failures import describe_failure
from pipeline.learning.lightning import Trainer, expected_warnings
from pipeline.learning.modules.pictures import draw
from pipeline.learning.provenance import DataFacts, collect_facts, resolve_device
from pipeline.trial import Cohort, Facts, TrialOutcome, TrialState


def fit_cohort(
    cohort: Cohort, context: PreparedData | CustomData | Resumable, report: Report
) -> list[TrialOutcome]:
    """Train the trials of a cohort together and say how each ended.

    What a trial does wrong (a loss that is not finite, an exception, memory exhausted) ends that
    trial with its cause; it never escapes. Where several trained as one and nobody knows whose
    fault it was, each is trained again alone.

    Args:
        cohort: The trials; they share data, batch size and training section.
        context: The decoded data set, or what is known of the user's own data module; with a
            folder, long trials keep checkpoints there and go on from them.
        report: Called with each epoch's scores as they come.

    Returns:
        One outcome a trial, in the cohort's order.
    """
    config = cohort.assignments[0].config
    data, folder = (
        (context.data, context.folder) if isinstance(context, Resumable) else (context, None)
    )
    keeper = Keeper(folder)
    with _arithmetic(config.training.threads):
        if config.model.class_path or config.data.class_path:
            return [fit_custom(one, data, report, keeper) for one in cohort.assignments]
        assert isinstance(data, PreparedData), "the user's own data has its class named"  # noqa: S101
        return _fit(cohort, data, report, keeper)


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


def _fit(cohort: Cohort, data: PreparedData, report: Report, keeper: Keeper) -> list[TrialOutcome]:
    clock = _Clock()
    first = cohort.assignments[0]
    config = first.config
    parts, split_sha256 = load_splits(
        data, config.data, config.seeds["split"], is_refit=first.is_refit
    )
    clock.mark("data")
    n_folds = len(parts) if len(parts) > 1 else 0
    members = [Member(assignment, n_folds=n_folds) for assignment in cohort.assignments]
    keeping = Keeping(keeper, cohort, lambda member: _facts(member, data, split_sha256))
    keeping.take_up(members, report)
    for same in at_one_epoch(members):
        module = CohortModule(same, parts, report=report, keep=keeping.keep)
        cause = _train(module)
        for member in module.active:
            member.fail(cause or "ended without a verdict")
            member.is_torn = len(same) > 1
        clock.add(module.seconds)
        del module
    facts = [_facts(member, data, split_sha256) for member in members]
    pictures = [_pictures(member, parts[0]) for member in members]
    clock.share(len(members))
    found = zip(members, facts, pictures, strict=True)
    outcomes = [_outcome(*one, clock) for one in found]
    return [
        _fit(Cohort((member.assignment,)), data, report, keeper)[0] if member.is_torn else outcome
        for member, outcome in zip(members, outcomes, strict=True)
    ]


class _Clock:
    """Splits the worker's seconds by phase; what no phase claims is ``set_up``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def mark(self, phase: str) -> None:
        self.seconds[phase] = time.perf_counter() - self._started

    def add(self, seconds: dict[str, float]) -> None:
        """Take what the phases say."""
        for phase, spent in seconds.items():
            self.seconds[phase] = self.seconds.get(phase, 0.0) + spent

    def share(self, n_members: int) -> None:
        """Share all seconds out among the members."""
        total = time.perf_counter() - self._started
        self.seconds["set_up"] = total - sum(self.seconds.values())
        self.seconds = {phase: spent / n_members for phase, spent in self.seconds.items()}


def _train(module: CohortModule) -> str | None:
    """Train until every member has left, or return what stopped it."""
    try:
        module.build()
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
        max_epochs=max(one.assignment.epochs for one in module.members) - module.epochs_done,
        deterministic=device == "cuda",
        barebones=True,
    )


def _facts(member: Member, data: PreparedData, split_sha256: str) -> Facts:
    first = member.learners[0]
    return collect_facts(
        member.assignment.config.training,
        DataFacts(data.sha256, split_sha256, data.image_shape, data.n_classes),
        cohort={"place": first.place, "size": first.n_companions},
        alone_because=first.alone_because,
    )


def _pictures(member: Member, parts: SplitTensors) -> dict[str, bytes]:
    """Draw what a complete trial has learned; of folds, the first network's."""
    if member.state is not TrialState.COMPLETE or member.weights is None:
        return {}
    first = member.learners[0]
    prefix = f"fold_{first.fold}." if first.fold else ""
    weights = {
        name.removeprefix(prefix): value
        for name, value in member.weights.items()
        if name.startswith(prefix)
    }
    return draw(first, weights, parts)


def _outcome(
    member: Member, facts: Facts, pictures: dict[str, bytes], clock: _Clock
) -> TrialOutcome:
    return TrialOutcome(
        number=member.assignment.config.number,
        state=member.state or TrialState.FAIL,
        cause=member.cause,
        curve=tuple(member.curve),
        n_parameters=member.n_parameters,
        weights=member.weights_file(),
        pictures=pictures,
        facts=facts,
        seconds=clock.seconds,
        repeat=member.assignment.config.repeat,
    )
