"""A trial of a user's module on folds: one network for each, all an epoch further by turns.

A trial's score is the mean over its folds, and decides at each epoch whether all of them go on. So
each fold is trained in a Trainer of its own, and waits at the end of its epoch for the others.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

from torch import Tensor

from pipeline.learning.checkpoints.states import State, curve_of, curve_state
from pipeline.learning.cohort.member import Progress
from pipeline.learning.custom.callbacks import Report
from pipeline.learning.custom.loaders import TrialLoaders
from pipeline.learning.custom.training import Save, Training
from pipeline.learning.custom.turns import Turn
from pipeline.learning.lightning import LightningModule
from pipeline.trial import EpochScores, FoldScores, TrialState, ignore, shared_scores


class FoldProgress(Progress):
    """One fold's epochs; whether it goes on is decided by the means over all folds.

    Attributes:
        pause: Waits until the other folds are at the end of the same epoch.
        is_best: Whether the trial's last epoch was its best.
    """

    pause: Callable[[], None]
    is_best = False

    def take(self, scores: EpochScores) -> bool:
        """Add an epoch's scores, and wait for what the trial makes of them."""
        self.curve.append(scores)
        self.pause()
        return self.is_best


class FoldTrainings:
    """Trains the networks of a trial's folds.

    Args:
        progress: The trial's; decides by the means.
        loaders: Of each fold.
        report: Called with each epoch's means.
        saved: The state to resume from; ``None``: train from the start.
    """

    def __init__(
        self,
        progress: Progress,
        loaders: Sequence[TrialLoaders],
        *,
        report: Report,
        saved: State | None = None,
    ) -> None:
        self._progress = progress
        self._report = report
        self._is_due = False
        self._states: list[State] = []
        self._folds = [FoldProgress(progress.assignment) for _ in loaders]
        before: Sequence[State | None] = saved["folds"] if saved else [None] * len(loaders)
        self._trainings = [
            Training(fold, its, report=ignore, saved=state, fold=number)
            for number, (fold, its, state) in enumerate(
                zip(self._folds, loaders, before, strict=True), start=1
            )
        ]
        for fold, state in zip(self._folds, before, strict=True):
            fold.state = progress.state
            fold.curve += (
                curve_of(state["curve"], fold.assignment.config.objective) if state else []
            )

    @property
    def module(self) -> LightningModule | None:
        """The first fold's network, once it is built."""
        return self._trainings[0].module

    @property
    def has_paused(self) -> bool:
        """Whether the trial was ended for a pause."""
        return all(one.has_paused for one in self._trainings)

    @property
    def unlogged(self) -> dict[str, None]:
        """Names that the modules logged and that have no curve, or no file."""
        return {name: None for one in self._trainings for name in one.unlogged}

    @property
    def files(self) -> dict[str, bytes]:
        """What the modules logged through their loggers; the names begin with ``fold_1_``."""
        return {
            f"fold_{fold}_{name}": content
            for fold, one in enumerate(self._trainings, start=1)
            for name, content in one.files.items()
        }

    @property
    def seconds(self) -> dict[str, float]:
        """By phase, of all folds together."""
        found = [one.seconds for one in self._trainings]
        return {phase: sum(one[phase] for one in found) for phase in found[0]}

    @property
    def weights(self) -> dict[str, Tensor] | None:
        """Of the best epoch; those of a fold are named ``fold_1.…``."""
        found = [one.weights or {} for one in self._trainings]
        named = {
            f"fold_{fold}.{name}": value
            for fold, weights in enumerate(found, start=1)
            for name, value in weights.items()
        }
        return named if all(found) else None

    def run(self, *, is_due: Callable[[], bool], save: Save) -> None:
        """Train until the trial has an end, or pauses: see ``Training.run``.

        A fold that ends by itself ends the trial, with the epochs that all folds have.
        """
        turns = [
            Turn(partial(self._train, fold, one, save), threads=self._n_threads)
            for fold, one in zip(self._folds, self._trainings, strict=True)
        ]
        try:
            while not any(turn.has_ended for turn in turns):
                self._is_due = is_due()
                for turn in turns:
                    turn.go_on()
                self._end_epoch()
        finally:
            for turn in turns:
                turn.close()

    @property
    def _n_threads(self) -> int:
        return self._progress.assignment.config.training.threads

    def _train(self, fold: FoldProgress, training: Training, save: Save, turn: Turn) -> None:
        fold.pause = turn.pause
        training.run(is_due=lambda: self._is_due, save=partial(self._save, save))

    def _save(self, save: Save, take: Callable[[], State]) -> None:
        """Take a fold's state where its epoch starts, and write all once the last fold's is there.

        The folds before it train on meanwhile, so their states are copies. A state that cannot be
        taken or copied is missed, and there is no checkpoint of this epoch.
        """
        try:
            self._states.append(copy.deepcopy(take()))
        except Exception:  # noqa: BLE001 - as where one network is trained: go on without
            return
        if len(self._states) == len(self._folds):
            states, curve = self._states, curve_state(self._progress.curve)
            save(lambda: {"curve": curve, "folds": states})

    def _end_epoch(self) -> None:
        """Let the means decide, if every fold is at the end of the same new epoch."""
        self._states = []
        for fold in self._folds:
            if fold.state is TrialState.FAIL and not self._progress.has_ended:
                self._progress.fail(fold.cause or "")
        epoch = len(self._progress.curve) + 1
        if self._progress.state or any(len(fold.curve) != epoch for fold in self._folds):
            return
        scores = mean_scores([fold.curve[-1] for fold in self._folds])
        is_best = self._progress.take(scores)
        for fold in self._folds:
            fold.is_best, fold.state = is_best, self._progress.state
        self._report(scores)


def mean_scores(folds: Sequence[EpochScores]) -> EpochScores:
    """The means over folds of what one epoch measured; of what a module logs, what all folds have.

    Args:
        folds: Of one epoch.
    """
    measured = [FoldScores(*(getattr(fold, name) for name in FoldScores._fields)) for fold in folds]
    train, no_dropout, validation, accuracy = map(fmean, zip(*measured, strict=True))
    logged = shared_scores([fold.logged for fold in folds])
    return replace(
        folds[0],
        ended_at_ms=max(fold.ended_at_ms for fold in folds),
        train_loss=train,
        train_accuracy=fmean(fold.train_accuracy for fold in folds),
        train_loss_no_dropout=no_dropout,
        val_loss=validation,
        val_accuracy=accuracy,
        epoch_seconds=sum(fold.epoch_seconds for fold in folds),
        folds=tuple(measured),
        logged={name: fmean(values) for name, values in logged.items()},
    )
