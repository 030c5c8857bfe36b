"""Fit a cohort: what a worker does with what the driver hands over."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.checkpoints import Resumable
from pipeline.learning.checkpoints.states import Checkpoints, fingerprint_of
from pipeline.learning.cohort.member import Member
from pipeline.learning.cohort.module import CohortModule, Report
from pipeline.learning.cohort.rows import SplitTensors, load_splits
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.custom.trainer import fit_custom
from pipeline.learning.data import PreparedData
from pipeline.learning.failures import describe_failure
from pipeline.learning.lightning import Trainer, expected_warnings
from pipeline.learning.modules.network import weights_by_fold
from pipeline.learning.provenance import DataFacts, collect_facts, resolve_device
from pipeline.trial import Cohort, EpochScores, Facts, TrialOutcome, TrialState

N_PICTURES: Final = 16
"""So many rows of the validation set are drawn beside their reconstructions."""


def fit_cohort(
    cohort: Cohort, context: PreparedData | CustomData | Resumable, report: Report
) -> list[TrialOutcome]:
    """Train the trials of a cohort together and report how each ended.

    A fault of a trial (a loss that is not finite, an exception, memory exhausted) fails that trial
    with its cause; it is not raised.

    Args:
        cohort: The trials; they share data, batch size and training section.
        context: The decoded data set, or what is known of a user's data module; with a folder for
            the checkpoints of long trials.
        report: Called with each epoch's scores as they come.

    Returns:
        One outcome a trial, in the cohort's order; of one that pauses, what it has come to.

    Raises:
        Exception: Several trials failed as one; trained alone, the faulty one fails.
    """
    first = cohort.assignments[0]
    config = first.config
    data, folder = (
        (context.data, context.folder) if isinstance(context, Resumable) else (context, None)
    )
    if first.network is not None:
        from pipeline.learning.export import export_in_worker  # imports torch's compiler

        return [export_in_worker(first.network, data)]
    checkpoints = Checkpoints(folder)
    with arithmetic(config.training.threads):
        if config.model.class_path or config.data.class_path:
            return [fit_custom(one, data, report, checkpoints) for one in cohort.assignments]
        assert isinstance(data, PreparedData), "the user's own data has its class named"  # noqa: S101
        return _fit(cohort, data, report, checkpoints)


def _fit(
    cohort: Cohort, data: PreparedData, report: Report, checkpoints: Checkpoints
) -> list[TrialOutcome]:
    clock = _Clock()
    first = cohort.assignments[0]
    config = first.config
    splits, split_sha256 = load_splits(
        data, config.data, config.seeds["split"], is_refit=first.is_refit
    )
    clock.mark("data")
    n_folds = len(splits) if len(splits) > 1 else 0
    members = [Member(assignment, n_folds=n_folds) for assignment in cohort.assignments]
    of_data = DataFacts.of(data, split_sha256, splits[0].labels)
    saved = _CohortCheckpoints(checkpoints, cohort, lambda one: _facts(one, of_data))
    saved.restore(members, report)
    for same in _group_by_epoch(members):
        module = CohortModule(same, splits, report=report, save_checkpoints=saved.save)
        train_members(module)
        clock.add(module.seconds)
        del module
    facts = [_facts(member, of_data) for member in members]
    pictures = [_pictures(member, splits[0]) for member in members]
    clock.share(len(members))
    found = zip(members, facts, pictures, strict=True)
    return [_outcome(*one, clock) for one in found]


class _CohortCheckpoints:
    """Saves and restores the members of a cohort.

    Args:
        checkpoints: Those of the worker.
        cohort: The trials that are trained together.
        facts: Collects the facts of a member; called only where they are needed.
    """

    def __init__(
        self, checkpoints: Checkpoints, cohort: Cohort, facts: Callable[[Member], Facts]
    ) -> None:
        self._checkpoints = checkpoints
        self._cohort = cohort
        self._facts = facts

    def restore(self, members: Sequence[Member], report: Callable[[EpochScores], None]) -> None:
        """Restore members from their checkpoints, and report their epochs again."""
        for member in members:
            number = member.config.number
            if not self._checkpoints.has(number):
                continue
            state = self._checkpoints.load(self._fingerprint(member), number)
            if state is not None:
                member.load_state_dict(state)
                for scores in member.curve:
                    report(scores)

    def save(self, members: Sequence[Member]) -> None:
        """Write the members' checkpoints if it is time or if they pause.

        Of one that has ended or pauses, it is written once. One that failed is not written:
        retrained from its last checkpoint it fails again.
        """
        is_due, started = self._checkpoints.is_due, time.perf_counter()
        for member in members:
            if member.state is TrialState.FAIL or member.is_checkpointed:
                continue
            if not (is_due or member.is_paused):
                continue
            number = member.config.number
            is_written = self._checkpoints.save(
                self._fingerprint(member), number, member.state_dict
            )
            member.is_checkpointed = is_written and member.state is not None
        if is_due:
            self._checkpoints.restart_clock(time.perf_counter() - started)

    def _fingerprint(self, member: Member) -> str:
        return fingerprint_of(member.assignment, self._facts(member), self._cohort.keys)


def _group_by_epoch(members: Sequence[Member]) -> list[list[Member]]:
    """Group members by the number of epochs behind them: a step of one is a step of all.

    Members restored from several cohorts, or from one that died while it wrote checkpoints, differ
    in their epochs. The groups are trained one after another, which changes no bit.

    Args:
        members: In the cohort's order; those that have ended go with the first group.
    """
    found: dict[int, list[Member]] = {}
    for member in members:
        if member.state is None:
            found.setdefault(len(member.curve), []).append(member)
    ended = [member for member in members if member.state is not None]
    groups = list(found.values()) or [[]]
    return [ended + groups[0], *groups[1:]]


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


def train_members(module: CohortModule) -> None:
    """Train until every member has ended or pauses; what stops a lone one is its cause."""
    module.build()
    try:
        if module.active:
            with expected_warnings():
                _trainer(module).fit(module)
    except Exception as error:
        if len(module.active) > 1:
            raise
        for member in module.active:
            member.fail(describe_failure(error))
    for member in module.active:
        member.fail("ended without a verdict")


def _trainer(module: CohortModule) -> Trainer:
    config = module.members[0].assignment.config.training
    device = resolve_device(config.device)
    return Trainer(
        accelerator={"cuda": "gpu"}.get(device, device),
        devices=1,
        max_epochs=max(one.assignment.epochs for one in module.members) - module.epochs_done,
        deterministic=device == "cuda",
        barebones=True,
    )


def _facts(member: Member, of_data: DataFacts) -> Facts:
    return collect_facts(
        member.config.training,
        of_data,
        stack_index=member.stack_index,
        stack_size=member.stack_size,
        alone_because=member.alone_because,
    )


def _pictures(member: Member, split: SplitTensors) -> dict[str, bytes]:
    """Draw what a complete trial has learned at its best epoch; of folds, the first network's."""
    if member.state is not TrialState.COMPLETE or member.best_weights is None:
        return {}
    network = member.networks[0]
    network.load_state_dict(weights_by_fold(member.best_weights)[member.folds[0]])
    rows = split.validation or split.probe
    images, _ = rows.take(rows.numbers[:N_PICTURES])
    return network.eval().draw(images.view(-1, *split.image_shape))


def _outcome(
    member: Member, facts: Facts, pictures: dict[str, bytes], clock: _Clock
) -> TrialOutcome:
    return TrialOutcome(
        number=member.config.number,
        state=member.state or TrialState.FAIL,
        cause=member.cause,
        curve=tuple(member.curve),
        n_parameters=member.n_parameters,
        weights=member.weights_file(),
        pictures=pictures,
        facts=facts,
        seconds=clock.seconds,
        repeat=member.config.repeat,
    )
