"""Train one trial whose module or data is the user's own, by itself in Lightning's Trainer."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from safetensors.torch import save
from torch import nn

from pipeline.config import TrainingConfig, TrialConfig
from pipeline.learning.checkpoints.states import (
    Checkpoints,
    State,
    curve_of,
    curve_state,
    fingerprint_of,
)
from pipeline.learning.cohort.member import Progress
from pipeline.learning.custom.callbacks import (
    EpochRecorder,
    NoDropoutScore,
    Report,
)
from pipeline.learning.custom.classes import (
    build,
    find_class,
    find_classes,
    find_objects,
    given_to,
    seed_all,
)
from pipeline.learning.custom.datamodule import CustomData, DataModuleLoaders
from pipeline.learning.custom.loaders import DataArguments, RowLoaders, TrialLoaders
from pipeline.learning.custom.own_callbacks import find_callbacks, make_callbacks
from pipeline.learning.custom.resume import IN_MEMORY, EpochCheckpoint, NotResumedError
from pipeline.learning.custom.sources import custom_sources
from pipeline.learning.custom.trial_log import TrialLog
from pipeline.learning.data import PreparedData
from pipeline.learning.failures import describe_user_failure
from pipeline.learning.lightning import (
    Callback,
    CheckpointIO,
    DummyLogger,
    LightningModule,
    Trainer,
    expected_warnings,
)
from pipeline.learning.modules.build import build_network, network_class
from pipeline.learning.provenance import collect_facts, resolve_device
from pipeline.trial import Assignment, Facts, TrialOutcome, TrialState


def make_trainer(
    training: TrainingConfig,
    *,
    epochs: int = 1,
    callbacks: Sequence[Callback] = (),
    plugins: Sequence[CheckpointIO] = (),
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> Trainer:
    """Make a Trainer that writes no file and shows nothing.

    Args:
        training: Device and precision.
        epochs: At most so many.
        callbacks: In the order in which they are called, but a ``Checkpoint`` comes last, after
            the module's own hooks.
        plugins: Where a checkpoint goes.
        arguments: Others, by Lightning's names.
    """
    device = resolve_device(training.device)
    return Trainer(
        accelerator={"cuda": "gpu"}.get(device, device),
        devices=1,
        precision=training.precision,
        max_epochs=epochs,
        deterministic=device == "cuda",
        callbacks=list(callbacks),
        plugins=list(plugins),
        enable_checkpointing=bool(callbacks),
        logger=DummyLogger(),  # a module may call it, and some callbacks ask for one
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **arguments,
    )


@contextmanager
def expected_of_loaders() -> Iterator[None]:
    """Silence what a ``Trainer`` says of loaders that are meant as they are as well."""
    with expected_warnings(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"The '\w+' does not have many workers")
        # The logger's interval: what is logged is taken at each epoch's end.
        warnings.filterwarnings("ignore", r"The number of training batches \(\d+\) is smaller")
        # A refit validates nothing.
        warnings.filterwarnings("ignore", "You defined a `validation_step` but have no")
        yield


def build_model(config: TrialConfig, of_data: DataArguments) -> LightningModule:
    """Build a user's module, or a built-in one for a user's data, on the CPU.

    Args:
        config: The trial.
        of_data: Arguments that the data gives.
    """
    seed_all(config.seeds["initialisation"])
    path = config.model.class_path
    if path is not None:
        custom = find_class(path, "model", where="trial")
        given = given_to(custom, config.params, config.model.init_args)
        module: LightningModule = build(custom, given, of_data)
        return module
    is_classifier = network_class(str(config.model.name)).is_classifier
    n_classes = of_data["n_classes"]() if is_classifier else 0
    return build_network(config, image_shape=of_data["image_shape"](), n_classes=n_classes)


def count_parameters(module: LightningModule | None) -> int:
    """Count a module's weights; those that its first batch shapes count once they are there."""
    if module is None:
        return 0
    return sum(
        weight.numel()
        for weight in module.parameters()
        if not isinstance(weight, nn.parameter.UninitializedParameter)
    )


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
        self._module: LightningModule | None = None
        self._recorder: EpochRecorder | None = None
        self._data_seconds = 0.0
        self._has_paused = False

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
            self._facts = self._collect_facts(loaders, sources)
            try:
                self._train(loaders, self._find())
            except NotResumedError:
                self._forget()
                self._train(self._open(data), None)
            self._settle()
        return self._outcome()

    def _open(self, data: PreparedData | CustomData) -> TrialLoaders:
        started = time.perf_counter()
        try:
            if isinstance(data, CustomData):
                return DataModuleLoaders(self._assignment)
            return RowLoaders(self._assignment, data)
        finally:
            self._data_seconds = time.perf_counter() - started

    def _train(self, loaders: TrialLoaders, saved: State | None) -> None:
        training = self._config.training
        self._module = build_model(self._config, loaders.arguments)
        with expected_of_loaders():
            probe = None if self._assignment.is_refit else loaders.no_dropout_arguments()
            self._recorder = EpochRecorder(
                self._progress,
                report=self._report,
                no_dropout=NoDropoutScore(make_trainer(training), probe, self._config.objective),
            )
            checkpoint = EpochCheckpoint(
                saved and saved["training"],
                is_due=lambda: self._checkpoints.is_due,
                is_paused=lambda: self._progress.is_paused,
                save=self._save,
            )
            if saved is not None:
                self._report_again(saved)
            trainer = make_trainer(
                training,
                epochs=self._assignment.epochs,
                callbacks=[checkpoint, *make_callbacks(training, where="trial"), self._recorder],
                plugins=[checkpoint.io],
                arguments=training.trainer.arguments if training.trainer else {},
            )
            try:
                path = None if saved is None else IN_MEMORY
                trainer.fit(self._module, ckpt_path=path, **loaders.fit_arguments())
            except Exception as error:
                if checkpoint.is_resuming:
                    raise NotResumedError(str(error)) from error
                raise
            self._has_paused = checkpoint.has_paused

    def _find(self) -> State | None:
        """The trial's checkpoint, if there is one that fits."""
        if not self._checkpoints.has(self._config.number):
            return None
        return self._checkpoints.load(self._fingerprint(), self._config.number)

    def _report_again(self, saved: State) -> None:
        """Report the epochs behind it again, and go on with their curve and weights."""
        assert self._recorder is not None  # noqa: S101 - it was just made
        self._recorder.weights = saved["weights"]
        for scores in curve_of(saved["curve"], self._config.objective):
            self._progress.take(scores)
            self._report(scores)

    def _forget(self) -> None:
        """Start anew: the checkpoint does not fit the module, newly made."""
        self._checkpoints.remove(self._config.number)
        self._progress.curve.clear()
        self._progress.state = None

    def _save(self, training: Callable[[], State]) -> None:
        """Write a checkpoint; a module whose state cannot be written down has none."""
        started = time.perf_counter()
        recorder, curve = self._recorder, self._progress.curve
        assert recorder is not None  # noqa: S101 - it was made before the training
        self._checkpoints.save(
            self._fingerprint(),
            self._config.number,
            lambda: {
                "curve": curve_state(curve),
                "weights": recorder.weights,
                "training": training(),
            },
        )
        self._checkpoints.restart_clock(time.perf_counter() - started)

    def _fingerprint(self) -> str:
        assert self._facts is not None  # noqa: S101 - collected before the training
        return fingerprint_of(self._assignment, self._facts, [self._assignment.key])

    def _settle(self) -> None:
        """A module may end its training itself: what it came to is complete."""
        progress = self._progress
        if progress.has_ended or self._has_paused:
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
        recorder, progress = self._recorder, self._progress
        weights = recorder.weights if recorder else None
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
            unlogged=tuple(sorted(recorder.unlogged)) if recorder else (),
            log=self._log.content if progress.state is TrialState.FAIL else None,
        )

    def _seconds(self) -> dict[str, float]:
        """The worker's seconds by phase; what no phase claims is ``set_up``."""
        phases = self._recorder.seconds if self._recorder else {"training": 0.0, "validation": 0.0}
        total = time.perf_counter() - self._started
        claimed = self._data_seconds + sum(phases.values())
        return {"data": self._data_seconds, "set_up": total - claimed, **phases}
