"""Fit one trial whose module or data is the user's own, by itself in the Trainer."""

import time
from collections.abc import Callable

from safetensors.torch import save

from pipeline.learning.checkpoints.keeper import (
    Keeper,
    State,
    curve_of,
    curve_state,
    fingerprint_of,
)
from pipeline.learning.cohort.member import Progress
from pipeline.learning.data import PreparedData
from pipeline.learning.facts import collect_facts
from pipeline.learning.lightning import LightningModule
from pipeline.learning.own.faults import ending
from pipeline.learning.own.feeds import Feed
from pipeline.learning.own.models import build_model, count_parameters, own_classes
from pipeline.learning.own.module_feed import ModuleFeed, OwnData
from pipeline.learning.own.probe import Probe
from pipeline.learning.own.resume import EpochKeeper, NotTakenUpError
from pipeline.learning.own.row_feed import RowFeed
from pipeline.learning.own.sources import own_sources
from pipeline.learning.own.trainers import expected_of_loaders, make_trainer
from pipeline.learning.own.watch import EpochWatch, Report
from pipeline.trial import Assignment, Facts, TrialOutcome, TrialState

ALONE_BECAUSE = "its own training_step: trained by itself in the Trainer"
ALONE_BECAUSE_OF_DATA = "its own data module: trained by itself in the Trainer"


def fit_own(
    assignment: Assignment,
    data: PreparedData | OwnData,
    report: Report,
    keeper: Keeper | None = None,
) -> TrialOutcome:
    """Train a trial of the user's own module, of the user's own data, or of both.

    Whatever the user's code raises ends the trial with its cause; nothing escapes.

    Args:
        assignment: The trial.
        data: The decoded data set, or the user's own.
        report: Called with each epoch's scores as they come.
        keeper: Keeps checkpoints of a long trial; by default there are none.
    """
    return _Fit(assignment, report, keeper or Keeper(None)).run(data)


class _Fit:
    """A trial while it is trained; what has been reached is kept when something raises."""

    def __init__(self, assignment: Assignment, report: Report, keeper: Keeper) -> None:
        self._started = time.perf_counter()
        self._assignment = assignment
        self._config = assignment.config
        self._report = report
        self._keeper = keeper
        self._progress = Progress(assignment)
        self._facts: Facts | None = None
        self._module: LightningModule | None = None
        self._watch: EpochWatch | None = None
        self._data_seconds = 0.0

    def run(self, data: PreparedData | OwnData) -> TrialOutcome:
        paths = [self._config.model.class_path, self._config.data.class_path]
        with ending(self._progress, *filter(None, paths)):
            classes = own_classes(self._config)
            sources = own_sources(*classes)
            feed = self._open(data)
            self._facts = self._collect_facts(feed, sources)
            try:
                self._train(feed, self._find())
            except NotTakenUpError:
                self._forget()
                self._train(self._open(data), None)
            self._settle()
        return self._outcome()

    def _open(self, data: PreparedData | OwnData) -> Feed:
        started = time.perf_counter()
        try:
            if isinstance(data, OwnData):
                return ModuleFeed(self._assignment)
            return RowFeed(self._assignment, data)
        finally:
            self._data_seconds = time.perf_counter() - started

    def _train(self, feed: Feed, kept: State | None) -> None:
        training = self._config.training
        self._module = build_model(self._config, feed.known)
        with expected_of_loaders():
            probe = None if self._assignment.is_refit else feed.to_probe()
            self._watch = EpochWatch(
                self._progress,
                report=self._report,
                probe=Probe(make_trainer(training), probe),
            )
            epochs = EpochKeeper(
                kept and kept["training"], is_due=lambda: self._keeper.is_due, keep=self._keep
            )
            if kept is not None:
                self._take_up(kept)
            trainer = make_trainer(
                training, epochs=self._assignment.epochs, callbacks=[epochs, self._watch]
            )
            trainer.fit(self._module, **feed.to_fit())

    def _find(self) -> State | None:
        """The trial's checkpoint, if there is one that fits."""
        if not self._keeper.has(self._config.number):
            return None
        return self._keeper.find(self._fingerprint(), self._config.number)

    def _take_up(self, kept: State) -> None:
        """Report the epochs behind it again, and go on with their curve and weights."""
        assert self._watch is not None  # noqa: S101 - it was just made
        self._watch.weights = kept["weights"]
        for scores in curve_of(kept["curve"]):
            self._progress.take(scores)
            self._report(scores)

    def _forget(self) -> None:
        """Start anew: the checkpoint does not fit the module, newly made."""
        self._keeper.forget(self._config.number)
        self._progress.curve.clear()

    def _keep(self, training: Callable[[], State]) -> None:
        """Write a checkpoint; a module whose state cannot be written down has none."""
        started = time.perf_counter()
        watch, curve = self._watch, self._progress.curve
        assert watch is not None  # noqa: S101 - it was made before the training
        self._keeper.keep(
            self._fingerprint(),
            self._config.number,
            lambda: {
                "curve": curve_state(curve),
                "weights": watch.weights,
                "training": training(),
            },
        )
        self._keeper.wait(time.perf_counter() - started)

    def _fingerprint(self) -> str:
        assert self._facts is not None  # noqa: S101 - collected before the training
        return fingerprint_of(self._assignment, self._facts, [self._assignment.key])

    def _settle(self) -> None:
        """A module may end its training itself: what it came to is complete."""
        progress = self._progress
        if progress.state is None and not progress.curve:
            progress.fail("ended before its first epoch")
        elif progress.state is None:
            progress.state = TrialState.COMPLETE

    def _collect_facts(self, feed: Feed, sources: dict[str, str]) -> Facts:
        is_own_model = self._config.model.class_path is not None
        return collect_facts(
            self._config.training,
            data_sha256=feed.data_sha256,
            split_sha256=feed.split_sha256,
            cohort={"place": 0, "size": 1},
            alone_because=ALONE_BECAUSE if is_own_model else ALONE_BECAUSE_OF_DATA,
            own_sources=sources,
        )

    def _outcome(self) -> TrialOutcome:
        watch, progress = self._watch, self._progress
        weights = watch.weights if watch else None
        return TrialOutcome(
            number=self._config.number,
            state=progress.state or TrialState.FAIL,
            cause=progress.cause,
            curve=tuple(progress.curve),
            n_parameters=count_parameters(self._module),
            weights=None if weights is None else save(weights),
            facts=self._facts,
            seconds=self._seconds(),
            repeat=self._config.repeat,
        )

    def _seconds(self) -> dict[str, float]:
        """The worker's seconds by phase; what no phase claims is ``set_up``."""
        phases = self._watch.seconds if self._watch else {"training": 0.0, "validation": 0.0}
        total = time.perf_counter() - self._started
        claimed = self._data_seconds + sum(phases.values())
        return {"data": self._data_seconds, "set_up": total - claimed, **phases}
