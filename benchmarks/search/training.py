"""How a trial ends whose losses are known: what training would have made of it."""

import json
import math
from collections.abc import Iterable, Sequence

from benchmarks.search.studies import Study
from pipeline.trial import Assignment, TrialRow, TrialState


def end_of(assignment: Assignment, losses: Sequence[float]) -> TrialRow | None:
    """Decide epoch by epoch as training does, from losses that are already known.

    Args:
        assignment: The trial.
        losses: Its validation losses; not more of them are looked at than training would measure.

    Returns:
        How the trial ended, or what it had come to where it pauses (RUNNING); ``None`` where it
        would have gone on after the last known loss.
    """
    for epoch in range(1, min(len(losses), assignment.epochs) + 1):
        seen = losses[:epoch]
        state = _state(assignment, seen)
        if state is not None:
            return _row(assignment, state, seen)
    return None


def _state(assignment: Assignment, losses: Sequence[float]) -> TrialState | None:
    if not math.isfinite(losses[-1]):
        return TrialState.FAIL
    if len(losses) == assignment.epochs:
        return TrialState.COMPLETE
    if assignment.cutoffs is not None and assignment.cutoffs.verdict(losses):
        return TrialState.PRUNED
    n_worse = len(losses) - 1 - losses.index(min(losses))
    if assignment.patience is not None and n_worse >= assignment.patience:
        return TrialState.COMPLETE
    return TrialState.RUNNING if len(losses) == assignment.pause_at else None


def _row(assignment: Assignment, state: TrialState, losses: Sequence[float]) -> TrialRow:
    is_complete = state is TrialState.COMPLETE
    lowest = min(losses) if is_complete else None
    return TrialRow(
        number=assignment.config.number,
        state=state,
        value=lowest,
        best_epoch=None if lowest is None else losses.index(lowest) + 1,
        params=dict(assignment.config.params),
        run_id=None,
        weights_sha256=None,
        cause="diverged" if state is TrialState.FAIL else None,
        scores=tuple(losses),
    )


class Recalled:
    """Trainings that were done before: the same trial of the same seed is not trained twice.

    Two policies of one seed may ask for one trial (TPE begins as random search does), and a study
    that goes on to a larger budget asks for all of its trials again.
    """

    def __init__(self, studies: Iterable[Study] = ()) -> None:
        self._losses: dict[str, Sequence[float]] = {}
        for study in studies:
            for number, trial in enumerate(study.trials):
                self._remember(_name(study.seed, number, trial.params), trial.curve)

    def find(self, assignment: Assignment) -> TrialRow | None:
        """How a trial ended, as far as it is known."""
        return end_of(assignment, self._losses.get(self._name(assignment), ()))

    def remember(self, assignment: Assignment, row: TrialRow) -> None:
        """Keep what a training measured."""
        if row.state is not TrialState.FAIL:
            self._remember(self._name(assignment), row.scores)

    def _remember(self, name: str, losses: Sequence[float]) -> None:
        if len(losses) > len(self._losses.get(name, ())):
            self._losses[name] = losses

    @staticmethod
    def _name(assignment: Assignment) -> str:
        config = assignment.config
        return _name(config.study_seed, config.number, dict(config.params))


def _name(seed: int, number: int, params: dict[str, object]) -> str:
    return json.dumps([seed, number, sorted(params.items())])
