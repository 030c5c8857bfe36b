"""Settings trained again on new seeds, each once: what MLflow has of them is read back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.app.training import WatchTraining, Workers
from pipeline.config import ShownNumber, TrialConfig
from pipeline.trial import Assignment, Cohort, Event, TrialKey, TrialOutcome

if TYPE_CHECKING:
    from pipeline.analysis import Repeat
    from pipeline.tracking.confirmation import ConfirmRun

Plan = Callable[[int, int], None]
"""Called with the trainings that are done and those that there may be."""


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Trains repeats, or reads back those that were trained before the run was broken off.

    Attributes:
        trained: Every repeat so far with its outcome.
    """

    configs: Mapping[ShownNumber, TrialConfig]
    n_seeds: int
    run: "ConfirmRun"
    workers: Workers
    watch: WatchTraining
    plan: Plan
    trained: dict[TrialKey, tuple[TrialConfig, TrialOutcome]] = field(default_factory=dict)

    def train(
        self, numbers: Sequence[ShownNumber], repeats: range
    ) -> "dict[ShownNumber, list[Repeat]]":
        """Train candidates on sets of new seeds: see ``analysis.race``."""
        asked = [
            [_assignment(self.configs[number], repeat) for number in numbers] for repeat in repeats
        ]
        n_left = len(numbers) * (self.n_seeds + 1 - repeats.start)
        n_most = len(self.trained) + n_left
        missing = [[one for one in part if not self._has(one.config)] for part in asked]
        self.plan(len(self.trained), n_most)
        cohorts = [cohort for part in missing for cohort in self._fuse(part)]
        for config, outcome in self.workers.train(cohorts, self._write):
            self.trained[outcome.key] = config, outcome
        return {
            number: [self._repeat_of(self.configs[number].number, repeat) for repeat in repeats]
            for number in numbers
        }

    def _has(self, config: TrialConfig) -> bool:
        outcome = self.run.find_repeat(config)
        if outcome is not None:
            self.trained[outcome.key] = config, outcome
        return outcome is not None

    def _fuse(self, assignments: Sequence[Assignment]) -> list[Cohort]:
        """Fuse trials of one shape; only those of one repeat have the same order of batches."""
        from pipeline.search.cohorts import form_cohorts

        return form_cohorts(assignments, n_workers=self.workers.n_workers)

    def _write(self, config: TrialConfig, event: Event) -> None:
        if isinstance(event, TrialOutcome):
            self.run.write_repeat(config, event)
        self.watch(config, event)

    def _repeat_of(self, number: int, repeat: int) -> "Repeat":
        from pipeline.analysis import Repeat

        _, outcome = self.trained[number, repeat]
        return Repeat(repeat=repeat, value=outcome.value, cause=outcome.cause)


def _assignment(config: TrialConfig, repeat: int) -> Assignment:
    """Train as the study would without a stopping rule; the record holds its patience."""
    stopping = config.training.early_stopping
    return Assignment(
        config=config.model_copy(update={"repeat": repeat}),
        epochs=config.training.epochs,
        patience=stopping.patience if stopping else None,
    )
