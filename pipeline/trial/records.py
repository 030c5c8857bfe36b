"""The records that travel between the rooms."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from pipeline.config import VAL_LOSS, Frozen, Objective, TrialConfig
from pipeline.config.messages import InvalidValueError
from pipeline.errors import counted
from pipeline.trial.exported import ExportedNetwork
from pipeline.trial.scores import Curve, EpochScores, TrialKey, curve_sha256


class TrialState(StrEnum):
    """Optuna's names for what has become of a trial."""

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"
    RUNNING = "RUNNING"
    WAITING = "WAITING"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to the trial."""
        return self not in (TrialState.RUNNING, TrialState.WAITING)


OF_SOME_LABELS: Final = ("n_targets", "class_names", "target_mean", "target_std")
"""Facts that not every kind of labels has."""


class Facts(Frozen):
    """Where and with what a trial was trained: what its bits depend on beside its config.

    Attributes:
        data_sha256: Over the data set's whole content.
        split_sha256: Over the row numbers of each part.
        input_shape: Of one row: (H, W), (C, H, W) or (n,); ``None`` where a user's own data module
            did not have to tell it.
        n_classes: ``None`` where nobody had to tell it either.
        scale: What the rows' values are divided by before the network sees them; ``None`` where the
            user's own data module yields them as they are trained on.
        n_targets: Numbers to predict of each row; ``None``, and not written, where the labels are
            classes.
        class_names: What the classes are called, by label; ``None``, and not written, where nobody
            said.
        target_mean: Of each target, what an output of 0 stands for; of folds, the first one's.
            ``None``, and not written, where the labels are classes or the data is the user's own.
        target_std: Of each target, what an output of 1 adds to that.
        sources: SHA-256 of each source file by its path in the package.
        packages: Version of each package whose arithmetic is used.
        stack_index: The trial's index among those that were trained as one, ``stack_size`` in all.
        alone_because: Why the trial was not fused with others; ``None`` where it might have been.
    """

    data_sha256: str
    split_sha256: str
    input_shape: tuple[int, ...] | None = None
    n_classes: int | None = None
    scale: float | None = None
    n_targets: int | None = None
    class_names: tuple[str, ...] | None = None
    target_mean: tuple[float, ...] | None = None
    target_std: tuple[float, ...] | None = None
    sources: dict[str, str]
    packages: dict[str, str]
    python: str
    processor: str
    threads: int
    precision: str
    device: str
    stack_index: int = 0
    stack_size: int = 1
    alone_because: str | None = None
    project_version: str
    project_commit: str | None
    project_clean: bool | None

    @model_serializer(mode="wrap")
    def _leave_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write nothing of classes where there are none, and nothing of targets there."""
        written: dict[str, Any] = handler(self)
        return {
            name: value
            for name, value in written.items()
            if value is not None or name not in OF_SOME_LABELS
        }


WARNED_EPOCHS = 8
"""A warning names at most so many epochs."""
WARNED_NAMES = 4
"""A warning names at most so many of the names that a module logged."""

PHASES = ("data", "set_up", "training", "validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """How a trial ended, or what it has come to where it pauses.

    Attributes:
        state: RUNNING where it pauses: all else is as if it ended there.
        cause: Why it was pruned or failed; ``None`` where it is complete.
        curve: One entry an epoch, in order; what was measured before a failure is kept.
        weights: The best epoch's weights as a safetensors file; ``None`` where there are none.
        pictures: PNG files by artifact name (an autoencoder's ``weight_map.png``).
        facts: ``None`` where the worker died before it could say.
        seconds: Worker seconds by phase (``PHASES``).
        repeat: As ``TrialConfig.repeat``.
        logged_files: What a user's module logged through ``self.logger``, by name.
        unlogged: Names that a user's module logged and that are not kept.
        log: What a user's code printed and the whole traceback, where its trial failed.
        exported: The network, where it was to be exported and not trained.
    """

    number: int
    state: TrialState
    cause: str | None = None
    curve: Curve = ()
    n_parameters: int = 0
    weights: bytes | None = field(default=None, repr=False)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    facts: Facts | None = field(default=None, repr=False)
    seconds: dict[str, float] = field(default_factory=dict)
    repeat: int = 0
    logged_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    unlogged: tuple[str, ...] = ()
    log: bytes | None = field(default=None, repr=False)
    exported: ExportedNetwork | None = field(default=None, repr=False)

    @property
    def key(self) -> TrialKey:
        """The training that it is of."""
        return self.number, self.repeat

    @property
    def logged(self) -> tuple[str, ...]:
        """The names that a user's module logged beside those of ``EpochScores``."""
        return tuple(sorted({name for scores in self.curve for name in scores.logged}))

    @property
    def is_paused(self) -> bool:
        """Whether the trial waits for the decision whether it goes on."""
        return self.state is TrialState.RUNNING

    @property
    def objective(self) -> Objective:
        """Which score of an epoch says what the trial is worth."""
        return self.curve[0].objective if self.curve else VAL_LOSS

    @property
    def best(self) -> EpochScores | None:
        """The epoch with the best score; the first of equals."""
        finite = [scores for scores in self.curve if math.isfinite(scores.score)]
        return min(finite, key=lambda scores: scores.loss, default=None)

    @property
    def value(self) -> float | None:
        """What the trial is worth: the best score over its epochs; null unless complete."""
        best = self.best if self.state is TrialState.COMPLETE else None
        return None if best is None else best.score

    @property
    def scores(self) -> tuple[float, ...]:
        """The objective's, one an epoch, as measured."""
        return tuple(one.score for one in self.curve)

    @property
    def weights_sha256(self) -> str | None:
        """The digest of the weights file, as ``sha256sum`` prints it."""
        return sha256_of(self.weights)

    @property
    def warning(self) -> str | None:
        """What its user should know of the trial; ``None`` where there is nothing."""
        return "; ".join(filter(None, (self._not_falling, self._not_kept))) or None

    @property
    def _not_kept(self) -> str | None:
        """Which names that were logged have no curve."""
        if not self.unlogged:
            return None
        told = ", ".join(self.unlogged[:WARNED_NAMES]) + (
            " …" * (len(self.unlogged) > WARNED_NAMES)
        )
        return f"{counted(len(self.unlogged), 'logged name')} not kept: {told}"

    @property
    def _not_falling(self) -> str | None:
        """Where the loss without dropout does not fall; ``None`` where it falls every epoch.

        A training loss that is measured with dropout on goes up and down by chance; with dropout
        off it must fall, or the network does not learn what it is trained for. Epochs in which it
        was not measured (NaN) are left out.
        """
        losses = [
            (scores.epoch, scores.train_loss_no_dropout)
            for scores in self.curve
            if not math.isnan(scores.train_loss_no_dropout)
        ]
        epochs = [str(epoch) for (_, before), (epoch, after) in pairwise(losses) if after >= before]
        if not epochs:
            return None
        told = ", ".join(epochs[:WARNED_EPOCHS]) + (" …" if epochs[WARNED_EPOCHS:] else "")
        steps = f"{len(epochs)} of {len(losses) - 1} steps"
        return f"train_loss_no_dropout does not fall at {steps}: epoch {told}"


def sha256_of(content: bytes | None) -> str | None:
    """Digest a file's content; nothing has no digest."""
    return None if content is None else hashlib.sha256(content).hexdigest()


class TrialRecord(Frozen):
    """``record.json``: all that is needed to train a trial again, and to tell if it is the same."""

    format: Literal[1] = 1
    trial: TrialConfig
    seeds: dict[str, int]
    state: TrialState
    cause: str | None
    epochs_run: int = Field(ge=0)
    best_epoch: int | None
    n_parameters: int
    curves_sha256: str
    weights_sha256: str | None
    facts: Facts | None
    logged: tuple[str, ...] = ()

    @property
    def file(self) -> bytes:
        """The content of ``record.json``."""
        return self.model_dump_json(indent=1).encode()

    @model_validator(mode="after")
    def _check_epochs(self) -> Self:
        """Refuse to train for longer than any study could have."""
        if self.epochs_run > self.trial.training.epochs:
            expected = f"at most {self.trial.training.epochs}, the study's epochs"
            raise InvalidValueError(key="epochs_run", got=str(self.epochs_run), expected=expected)
        if self.best_epoch is not None and not 1 <= self.best_epoch <= self.epochs_run:
            expected = f"one of the {self.epochs_run} epochs that were run"
            raise InvalidValueError(key="best_epoch", got=str(self.best_epoch), expected=expected)
        return self

    def outcome(
        self, curve: Curve, weights: bytes | None, pictures: Mapping[str, bytes] | None = None
    ) -> TrialOutcome:
        """How the training ended, with what a record holds the digests of.

        Args:
            curve: Its epochs.
            weights: The weights file, if it has one and it is here.
            pictures: PNG files by artifact name.
        """
        return TrialOutcome(
            number=self.trial.number,
            repeat=self.trial.repeat,
            state=self.state,
            cause=self.cause,
            curve=curve,
            n_parameters=self.n_parameters,
            weights=weights,
            pictures=pictures or {},
            facts=self.facts,
        )

    @classmethod
    def of(cls, config: TrialConfig, outcome: TrialOutcome) -> "TrialRecord":
        """Write down a finished trial."""
        return cls(
            trial=config,
            seeds=config.seeds,
            state=outcome.state,
            cause=outcome.cause,
            epochs_run=len(outcome.curve),
            best_epoch=outcome.best.epoch if outcome.best else None,
            n_parameters=outcome.n_parameters,
            curves_sha256=curve_sha256(outcome.curve),
            weights_sha256=outcome.weights_sha256,
            facts=outcome.facts,
            logged=outcome.logged,
        )
