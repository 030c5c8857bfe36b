"""One network's training in Lightning's Trainer: a trial's, or a fold's."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from pipeline.config import TrainingConfig, TrialConfig
from pipeline.learning.checkpoints.states import State, curve_state
from pipeline.learning.cohort.member import Progress
from pipeline.learning.custom.callbacks import EpochRecorder, NoDropoutScore, Report
from pipeline.learning.custom.classes import build, find_class, given_to, seed_all
from pipeline.learning.custom.loaders import DataArguments, TrialLoaders
from pipeline.learning.custom.own_callbacks import make_callbacks
from pipeline.learning.custom.resume import IN_MEMORY, EpochCheckpoint, NotResumedError
from pipeline.learning.custom.trial_logger import LoggedFiles, TrialLogger
from pipeline.learning.data.labels import Classes
from pipeline.learning.lightning import (
    Callback,
    CheckpointIO,
    DummyLogger,
    LightningModule,
    Trainer,
    expected_warnings,
)
from pipeline.learning.modules.build import build_network, fold_seed, network_class
from pipeline.learning.provenance import resolve_device


def make_trainer(
    training: TrainingConfig,
    *,
    epochs: int = 1,
    callbacks: Sequence[Callback] = (),
    plugins: Sequence[CheckpointIO] = (),
    logger: DummyLogger | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> Trainer:
    """Make a Trainer that writes no file and shows nothing.

    Args:
        training: Device and precision.
        epochs: At most so many.
        callbacks: In the order in which they are called, but a ``Checkpoint`` comes last, after
            the module's own hooks.
        plugins: Where a checkpoint goes.
        logger: Keeps what is logged through it; by default nothing is kept.
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
        logger=logger or DummyLogger(),  # a module may call it, and some callbacks ask for one
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


def build_model(config: TrialConfig, of_data: DataArguments, *, fold: int = 0) -> LightningModule:
    """Build a user's module, or a built-in one for a user's data, on the CPU.

    Args:
        config: The trial.
        of_data: Arguments that the data gives.
        fold: Of a study with folds, counted from 1.
    """
    seed_all(fold_seed(config.seeds["initialisation"], fold))
    path = config.model.class_path
    if path is not None:
        custom = find_class(path, "model", where="trial")
        given = given_to(custom, config.arguments, config.model.init_args)
        module: LightningModule = build(custom, given, of_data)
        return module
    learns_labels = network_class(str(config.model.name)).learns_labels
    labels = Classes(of_data["n_classes"]() if learns_labels else 0)
    return build_network(config, image_shape=of_data["image_shape"](), labels=labels, fold=fold)


def count_parameters(module: LightningModule | None) -> int:
    """Count a module's weights; those that its first batch shapes count once they are there."""
    if module is None:
        return 0
    return sum(
        weight.numel()
        for weight in module.parameters()
        if not isinstance(weight, nn.parameter.UninitializedParameter)
    )


Save = Callable[[Callable[[], State]], None]
"""Writes a checkpoint; it is given what takes the state."""


class Training:
    """Trains one network: a trial's, or that of a fold.

    Args:
        progress: Decides at the end of each epoch whether it goes on.
        loaders: Its data.
        report: Called with each epoch's scores.
        saved: The state to resume from; ``None``: train from the start.
        fold: Of a study with folds, counted from 1.

    Attributes:
        module: The network, once it is built.
        logged: What its module logs through its logger.
        has_paused: Whether it was ended for a pause.
    """

    def __init__(
        self,
        progress: Progress,
        loaders: TrialLoaders,
        *,
        report: Report,
        saved: State | None = None,
        fold: int = 0,
    ) -> None:
        assignment = progress.assignment
        self._progress = progress
        self._config = assignment.config
        self._loaders = loaders
        self._saved = saved
        self._fold = fold
        probe = None if assignment.is_refit else loaders.no_dropout_arguments()
        self.module: LightningModule | None = None
        self.logged = LoggedFiles()
        self.has_paused = False
        self._recorder = EpochRecorder(
            progress,
            report=report,
            no_dropout=NoDropoutScore(
                make_trainer(self._config.training), probe, self._config.objective
            ),
            seed=fold_seed(self._config.seeds["dropout"], fold),
        )
        if saved is not None:
            self._recorder.weights = saved["weights"]
            self.logged.load_state_dict(saved["files"])

    @property
    def weights(self) -> dict[str, Tensor] | None:
        """Of the best epoch; of a refit, the last."""
        return self._recorder.weights

    @property
    def unlogged(self) -> dict[str, None]:
        """Names that the module logged and that have no curve, or no file."""
        return self._recorder.unlogged | self.logged.left_out

    @property
    def files(self) -> dict[str, bytes]:
        """What the module logged through its logger, by name."""
        return self.logged.files

    @property
    def seconds(self) -> dict[str, float]:
        """By phase."""
        return self._recorder.seconds

    def run(self, *, is_due: Callable[[], bool], save: Save) -> None:
        """Train until the progress has an end, or pauses.

        Args:
            is_due: Whether it is time for a checkpoint.
            save: Writes it.

        Raises:
            NotResumedError: The saved state is not one that a fresh training can be brought to.
        """
        self.module = build_model(self._config, self._loaders.arguments, fold=self._fold)
        checkpoint = EpochCheckpoint(
            self._saved and self._saved["training"],
            is_due=is_due,
            is_paused=lambda: self._progress.is_paused,
            save=lambda training: save(lambda: self._state(training())),
        )
        trainer = self._trainer(checkpoint)
        try:
            path = None if self._saved is None else IN_MEMORY
            trainer.fit(self.module, ckpt_path=path, **self._loaders.fit_arguments())
        except Exception as error:
            if checkpoint.is_resuming:
                raise NotResumedError(str(error)) from error
            raise
        self.has_paused = checkpoint.has_paused

    def _trainer(self, checkpoint: EpochCheckpoint) -> Trainer:
        training = self._config.training
        return make_trainer(
            training,
            epochs=training.epochs,
            callbacks=[checkpoint, *make_callbacks(training, where="trial"), self._recorder],
            plugins=[checkpoint.io],
            logger=TrialLogger(self.logged),
            arguments=training.trainer.arguments if training.trainer else {},
        )

    def _state(self, training: State) -> State:
        curve = curve_state(self._progress.curve)
        return {
            "curve": curve,
            "weights": self._recorder.weights,
            "files": self.logged.state_dict(),
            "training": training,
        }
