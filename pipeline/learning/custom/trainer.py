"""Train one trial whose module or data is the user's own, by itself in Lightning's Trainer."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from safetensors.torch import save

from pipeline.learning.checkpoints.states import Checkpoints, State, curve_of, fingerprint_of
from pipeline.learning.cohort.member import Progress
from pipeline.learning.custom.callbacks import Report
from pipeline.learning.custom.classes import find_classes, find_objects
from pipeline.learning.custom.datamodule import CustomData, open_data_module
from pipeline.learning.custom.folds import FoldTrainings
from pipeline.learning.custom.loaders import TrialLoaders, open_rows
from pipeline.learning.custom.own_callbacks import find_callbacks
from pipeline.learning.custom.resume import NotResumedError
from pipeline.learning.custom.sources import custom_sources
from pipeline.learning.custom.training import Training, count_parameters, expected_of_loaders
from pipeline.learning.custom.trial_log import TrialLog
from pipeline.learning.data import PreparedData
from pipeline.learning.failures import describe_user_failure
from pipeline.learning.provenance import collect_facts
from pipeline.trial import Assignment, Facts, TrialOutcome, TrialState

ALONE_BECAUSE = "its own training_step: trained by itself in the Trainer"
ALONE_BECAUSE_OF_DATA = "its own data module: trained by itself in the Trainer"


def fit_custom(
    assignment: Assignment,
    data: PreparedData | CustomData,
    report: Report,
    checkpoints: Checkpoints | None = None,
) -> TrialOutcome:
    """Train a trial of the user's own module, of the user's own data, or of both.

    Whatever the user's code raises ends the trial with its cause; nothing escapes.

    Args:
        assignment: The trial.
        data: The decoded data set, or the user's own.
        report: Called with each epoch's scores as they come.
        checkpoints: Keeps checkpoints of a long trial; by default there are none.
    """
    return _Fit(assignment, report, checkpoints or Checkpoints(None)).run(data)


@contextmanager
def ending(progress: Progress, log: TrialLog, *class_paths: str) -> Iterator[None]:
    """End a trial with its cause where the user's code raises, whatever it raises."""
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - recorded as the trial's cause
        log.add(error)
        progress.fail(describe_user_failure(error, *class_paths))


class _Fit:
    """A trial while it is trained; the epochs before an exception are not lost."""

    def __init__(self, assignment: Assignment, report: Report, checkpoints: Checkpoints) -> None:
        self._started = time.perf_counter()
        self._assignment = assignment
        self._config = assignment.config
        self._report = report
        self._checkpoints = checkpoints
        self._progress = Progress(assignment)
        self._log = TrialLog()
        self._facts: Facts | None = None
        self._training: Training | FoldTrainings | None = None
        self._data_seconds = 0.0

    def run(self, data: PreparedData | CustomData) -> TrialOutcome:
        paths = [self._config.model.class_path, self._config.data.class_path]
        paths += [one.class_path for one in self._config.training.callbacks]
        log = self._log
        with log.capturing(), ending(self._progress, log, *filter(None, paths)):
            classes = find_classes(self._config, "trial")
            callbacks = find_callbacks(self._config.training, where="trial")
            objects = find_objects(self._config, where="trial")
            named = (*classes.values(), *callbacks, *objects)
            sources = custom_sources(*(one.cls for one in named))
            loaders = self._open(data)
            self._facts = self._collect_facts(loaders[0], sources)
            try:
                self._train(loaders, self._find())
            except NotResumedError:
                self._forget()
                self._train(self._open(data), None)
            self._settle()
        return self._outcome()

    def _open(self, data: PreparedData | CustomData) -> Sequence[TrialLoaders]:
        started = time.perf_counter()
        try:
            if isinstance(data, CustomData):
                return open_data_module(self._assignment)
            return open_rows(self._assignment, data)
        finally:
            self._data_seconds = time.perf_counter() - started

    def _train(self, loaders: Sequence[TrialLoaders], saved: State | None) -> None:
        if saved is not None:
            self._report_again(saved)
        with expected_of_loaders():
            if len(loaders) == 1:
                one, report = loaders[0], self._report
                self._training = Training(self._progress, one, report=report, saved=saved)
            else:
                self._training = FoldTrainings(
                    self._progress, loaders, report=self._report, saved=saved
                )
            self._training.run(is_due=lambda: self._checkpoints.is_due, save=self._save)

    def _find(self) -> State | None:
        """The trial's checkpoint, if there is one that fits."""
        if not self._checkpoints.has(self._config.number):
            return None
        return self._checkpoints.load(self._fingerprint(), self._config.number)

    def _report_again(self, saved: State) -> None:
        """Report the epochs behind it again, and go on with their curve."""
        for scores in curve_of(saved["curve"], self._config.objective):
            self._progress.take(scores)
            self._report(scores)

    def _forget(self) -> None:
        """Start anew: the checkpoint does not fit the module, newly made."""
        self._checkpoints.remove(self._config.number)
        self._progress.forget()

    def _save(self, take: Callable[[], State]) -> None:
        """Write a checkpoint; a module whose state cannot be written down has none."""
        started = time.perf_counter()
        self._checkpoints.save(self._fingerprint(), self._config.number, take)
        self._checkpoints.restart_clock(time.perf_counter() - started)

    def _fingerprint(self) -> str:
        assert self._facts is not None  # noqa: S101 - collected before the training
        return fingerprint_of(self._assignment, self._facts, [self._assignment.key])

    def _settle(self) -> None:
        """A module may end its training itself: what it came to is complete."""
        progress = self._progress
        if progress.has_ended or (self._training and self._training.has_paused):
            return
        if progress.curve:
            progress.state = TrialState.COMPLETE
        else:
            progress.fail("ended before its first epoch")

    def _collect_facts(self, loaders: TrialLoaders, sources: dict[str, str]) -> Facts:
        is_own_model = self._config.model.class_path is not None
        return collect_facts(
            self._config.training,
            loaders.facts,
            alone_because=ALONE_BECAUSE if is_own_model else ALONE_BECAUSE_OF_DATA,
            custom_sources=sources,
        )

    def _outcome(self) -> TrialOutcome:
        training, progress = self._training, self._progress
        weights = training.weights if training else None
        return TrialOutcome(
            number=self._config.number,
            state=progress.state or TrialState.FAIL,
            cause=progress.cause,
            curve=tuple(progress.curve),
            n_parameters=count_parameters(training.module if training else None),
            weights=None if weights is None else save(weights),
            facts=self._facts,
            seconds=self._seconds(),
            repeat=self._config.repeat,
            logged_files=training.files if training else {},
            unlogged=tuple(sorted(training.unlogged)) if training else (),
            log=self._log.content if progress.state is TrialState.FAIL else None,
        )

    def _seconds(self) -> dict[str, float]:
        """The worker's seconds by phase; what no phase claims is ``set_up``."""
        phases = self._training.seconds if self._training else {"training": 0.0, "validation": 0.0}
        total = time.perf_counter() - self._started
        claimed = self._data_seconds + sum(phases.values())
        return {"data": self._data_seconds, "set_up": total - claimed, **phases}
