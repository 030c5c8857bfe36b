"""What a worker is handed: trials, how long to train them, and when to stop early."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.config import VAL_LOSS, Objective, TrialConfig
from pipeline.trial.records import TrialRecord
from pipeline.trial.scores import TrialKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """A stopping rule frozen when its trial was asked for, so that no worker has to ask.

    Attributes:
        rule: The rule's name in the study file.
        limits: The highest loss, lowest epoch so far, with which a trial goes on after epoch *e*
            is entry *e* - 1; infinite where the rule does not look.
    """

    rule: str
    limits: tuple[float, ...]

    def verdict(self, losses: Sequence[float], objective: Objective = VAL_LOSS) -> str | None:
        """Say why a trial with these losses by epoch ends here, or ``None`` to go on.

        Args:
            losses: Of each epoch so far, as the search compares them.
            objective: Names the score that the sentence is about.
        """
        epoch = len(losses)
        limit, lowest = self.limits[epoch - 1], min(losses)
        if lowest <= limit:
            return None
        best = f"{objective.best_word} {objective.metric} {objective.loss(lowest):.6g}"
        limit_text = f"{objective.worse_word} {objective.loss(limit):.6g}"
        return f"{self.rule}: {best} {limit_text} at epoch {epoch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedNetwork:
    """What a network is built from: a trial's record and the weights of its best epoch.

    Attributes:
        weights: The safetensors file whose SHA-256 is the record's.
        fold: Which of the networks of a trial with folds; ``None``: it has one.
    """

    record: TrialRecord
    weights: bytes = field(repr=False)
    fold: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A trial handed to a worker: what to train, for how long, and when to stop early.

    Attributes:
        epochs: Train at most so many epochs.
        patience: Stop after so many epochs without a better score; ``None``: never.
        cutoffs: The search's stopping rule; ``None``: none.
        pause_at: Pause after so many epochs if the trial still goes on: its checkpoint is written,
            and the outcome so far is handed back; ``None``: train to the end.
        is_refit: Train on the training and the validation rows for all ``epochs`` and keep the
            last epoch's weights; nothing is validated, so the objective is NaN.
        network: Export this network, and train nothing; ``None``: train.
    """

    config: TrialConfig
    epochs: int
    patience: int | None = None
    cutoffs: Cutoffs | None = None
    pause_at: int | None = None
    is_refit: bool = False
    network: TrainedNetwork | None = None

    @property
    def key(self) -> TrialKey:
        """What tells it from the study's other trainings."""
        return self.config.number, self.config.repeat


@dataclass(frozen=True, slots=True)
class Cohort:
    """Trials that one worker trains together; a lone trial is a cohort of one."""

    assignments: tuple[Assignment, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its trials."""
        return tuple(assignment.config.number for assignment in self.assignments)

    @property
    def keys(self) -> tuple[TrialKey, ...]:
        """The numbers and repeats of its trials."""
        return tuple(assignment.key for assignment in self.assignments)
