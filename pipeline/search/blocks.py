"""Lagged blocks: which trials come next, and which outcomes their suggestions see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config import Params, StudyConfig, TrialConfig
from pipeline.search.failure_limit import FAILURE_LIMIT, RepeatedFailure, find_repeated_failure
from pipeline.search.stopping import StoppingRule
from pipeline.search.suggest import make_suggester
from pipeline.trial import Assignment, TrialRow


@dataclass(frozen=True, slots=True)
class Block:
    """A block of trials that was just asked for.

    Attributes:
        first_new: The number of the first trial that was not suggested before.
        suggested: The new trials' parameters, by number from ``first_new`` on.
        assignments: The trials that remain to be trained, by number.
    """

    first_new: int
    suggested: tuple[Params, ...]
    assignments: tuple[Assignment, ...]


class Blocks:
    """Suggests the trials of a study, one block at a time.

    Trial *n* belongs to block *b* = *n* // ``search.block`` and sees the outcomes of blocks up to
    *b* - 2. That is the same for all trials of a block, so they are suggested together.

    Args:
        study: The study file.
        suggested: Parameters of the trials of earlier runs, by number.
        finished: Those of them that are finished.
        n_acknowledged: Failures among so many first trials have stopped an earlier run and stop
            no later one.
    """

    def __init__(
        self,
        study: StudyConfig,
        suggested: Sequence[Params],
        finished: Iterable[TrialRow],
        *,
        n_acknowledged: int = 0,
    ) -> None:
        self._study = study
        self._suggested = suggested
        self._finished = {trial.number: trial for trial in finished}
        self._suggester = make_suggester(study)
        self._rule = StoppingRule(study)
        self._n_acknowledged = n_acknowledged
        self._n_seen = 0
        self._next = 0

    @property
    def is_next_decided(self) -> bool:
        """Whether there is a next block, all that it sees is finished, and no failure stops it."""
        if self._next >= self._study.search.trials:
            return False
        if not all(n in self._finished for n in range(self._n_seen, self._n_visible)):
            return False
        return (
            self._find_repeated_failure(range(self._n_seen - FAILURE_LIMIT + 1, self._n_visible))
            is None
        )

    @property
    def repeated_failure(self) -> RepeatedFailure | None:
        """The equal failures in a row that stop the study."""
        return self._find_repeated_failure(range(self._study.search.trials))

    @property
    def is_next_finished(self) -> bool:
        """Whether every trial of the next block is finished."""
        return all(number in self._finished for number in self._numbers)

    def ask(self) -> Block:
        """Suggest the next block's trials; those of earlier runs keep their parameters."""
        for number in range(self._n_seen, self._n_visible):
            self._suggester.tell(self._finished[number])
            self._rule.tell(self._finished[number])
        self._n_seen, numbers = self._n_visible, self._numbers
        params = {number: self._params(number) for number in numbers}
        left = [number for number in numbers if number not in self._finished]
        self._next = numbers.stop
        new = [number for number in numbers if number >= len(self._suggested)]
        return Block(
            first_new=new[0] if new else numbers.stop,
            suggested=tuple(params[number] for number in new),
            assignments=tuple(self._assignment(number, params[number]) for number in left),
        )

    def finish(self, trial: TrialRow) -> None:
        """Take a finished trial in; the block after the next will see it."""
        self._finished[trial.number] = trial

    def _find_repeated_failure(self, numbers: range) -> RepeatedFailure | None:
        unacknowledged = range(max(numbers.start, self._n_acknowledged), numbers.stop)
        return find_repeated_failure(
            self._finished[n] for n in unacknowledged if n in self._finished
        )

    @property
    def _numbers(self) -> range:
        block, n_trials = self._study.search.block, self._study.search.trials
        return range(self._next, min(self._next + block, n_trials))

    @property
    def _n_visible(self) -> int:
        """How many trials, from the first on, have outcomes that the next block sees."""
        return max(self._next - self._study.search.block, 0)

    def _params(self, number: int) -> Params:
        if number >= len(self._suggested):
            return self._suggester.ask(number)
        self._suggester.restore(number, self._suggested[number])
        return self._suggested[number]

    def _assignment(self, number: int, params: Params) -> Assignment:
        early = self._study.training.early_stopping
        return Assignment(
            config=resolve(self._study, number, params),
            epochs=self._study.training.epochs,
            patience=early.patience if early else None,
            cutoffs=self._rule.cutoffs(number),
        )


def resolve(study: StudyConfig, number: int, params: Mapping[str, Any]) -> TrialConfig:
    """Resolve a trial: everything that its arithmetic depends on.

    Args:
        study: The study file.
        number: The trial's number.
        params: Its parameters; those of layers that it does not have are left out.
    """
    return TrialConfig(
        study=study.name,
        number=number,
        study_seed=study.search.seed,
        data=study.data,
        model=study.model,
        training=study.training,
        params={name: params[name] for name in study.space.active(params)},
    )
