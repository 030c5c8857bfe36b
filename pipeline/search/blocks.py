"""Lagged blocks: which trials come next, what their suggestions see, and which of them go on."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from pipeline.config import Finalist, Params, StudyConfig, TrialConfig
from pipeline.search.ending import Ending
from pipeline.search.failure_limit import FAILURE_LIMIT, RepeatedFailure, find_repeated_failure
from pipeline.search.gate import Gate
from pipeline.search.sampling.suggest import make_suggester
from pipeline.search.stopping import StoppingRule
from pipeline.trial import Assignment, Settled, TrialRow, WarmStart

NONE: Final[Mapping[int, Finalist]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Block:
    """A block of trials that was just asked for.

    Attributes:
        first_new: The number of the first trial that was not suggested before.
        suggested: The new trials' parameters, by number from ``first_new`` on.
        assignments: The trials that remain to be trained, by number.
        finalists: What makes trials of it finalists, by number; either all are, or none is.
        settled: Why the search ends before this block, which has no trial then.
    """

    first_new: int
    suggested: tuple[Params, ...]
    assignments: tuple[Assignment, ...]
    finalists: Mapping[int, Finalist] = field(default_factory=dict)
    settled: Settled | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A block that has passed its gate.

    Attributes:
        stopped: Why a trial that paused ends there, by its number.
        going_on: The others that paused.
    """

    stopped: Mapping[int, str]
    going_on: tuple[Assignment, ...]


class Blocks:
    """Suggests the trials of a study, one block at a time.

    Trial *n* belongs to block *b* = *n* // ``search.block`` and sees the outcomes of blocks up to
    *b* - 2. That is the same for all trials of a block, so they are suggested together. In a study
    with a gate they are suggested in two halves: all earlier trials must have passed the gate, and
    their losses up to there are shown as well. So the first model knows half a block. The trials
    of the finalists are a block of their own, which sees all trials before it and has no gate.

    Args:
        study: The study file.
        suggested: Parameters of the trials of earlier runs, by number.
        finished: Those of them that are finished.
        n_acknowledged: Failures among so many first trials have stopped an earlier run and stop
            no later one.
        finalists: What made trials of earlier runs finalists, by number.
        settled: Why the search ended in an earlier run before all its trials were done.
        warm_start: What the study has taken over from another one.
    """

    def __init__(
        self,
        study: StudyConfig,
        suggested: Sequence[Params],
        finished: Iterable[TrialRow],
        *,
        n_acknowledged: int = 0,
        finalists: Mapping[int, Finalist] = NONE,
        settled: Settled | None = None,
        warm_start: WarmStart | None = None,
    ) -> None:
        self._study = study
        self._suggested = suggested
        self._finished = {trial.number: trial for trial in finished}
        self._suggester = make_suggester(study, warm_start)
        self._rule = StoppingRule(study)
        self._gate = Gate.of(study)
        self._ending = Ending(study, finalists, settled)
        self._settings: list[Params] = []
        self._paused: dict[int, TrialRow] = {}
        self._pausing: dict[int, Assignment] = {}
        self._n_judged = 0
        self._n_shown = 0
        self._n_acknowledged = n_acknowledged
        self._n_seen = 0
        self._next = 0

    @property
    def is_next_decided(self) -> bool:
        """Whether there is a next part, all that it sees is finished, and no failure stops it."""
        if self._next >= self._ending.n_trials or self._is_gate_closed:
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

    @property
    def is_judgement_due(self) -> bool:
        """Whether the last block's trials have all ended or paused, and none is judged yet."""
        return self._is_gate_closed and all(
            number in self._finished or number in self._paused for number in self._unjudged
        )

    def ask(self) -> Block:
        """Suggest the next block's trials; those of earlier runs keep their parameters."""
        self._show()
        if self._next >= len(self._suggested) and (settled := self._settle()):
            return Block(self._next, (), (), settled=settled)
        finalists, numbers = self._finalists, self._numbers
        for number in numbers:
            self._settings.append(self._params(number, finalists.get(number)))
        self._next = numbers.stop
        if finalists:
            self._n_judged = self._next
        new = range(min(max(numbers.start, len(self._suggested)), numbers.stop), numbers.stop)
        left = [number for number in numbers if number not in self._finished]
        self._pausing = {n: self._assignment(n, finalists.get(n)) for n in left}
        return Block(
            first_new=new.start,
            suggested=tuple(self._settings[number] for number in new),
            assignments=tuple(self._pausing.values()),
            finalists=finalists,
        )

    def _show(self) -> None:
        """Show the suggester and the rules what the next trials may see."""
        n_visible = self._n_visible
        for number in range(self._n_seen, n_visible):
            self._suggester.tell(self._finished[number])
            self._rule.tell(self._finished[number])
        self._show_up_to_gate(range(max(n_visible, self._n_shown), self._next))
        self._n_seen = n_visible

    def _settle(self) -> Settled | None:
        return self._ending.settle(
            self._next, self._settings, self._finished, n_visible=self._n_seen
        )

    @property
    def _finalists(self) -> Mapping[int, Finalist]:
        """What makes the next trials finalists; nothing where the search suggests them."""
        return self._ending.finalists(self._next, self._settings, self._finished)

    def _show_up_to_gate(self, numbers: range) -> None:
        if self._gate is not None:
            for number in numbers:
                losses = self._row(number).lowest_so_far[: self._gate.epoch]
                self._suggester.peek(number, losses)
            self._n_shown = self._next

    def _row(self, number: int) -> TrialRow:
        """A trial that has ended, or else what it had come to when it paused."""
        return self._finished.get(number) or self._paused[number]

    def pause(self, trial: TrialRow) -> None:
        """Take in what a trial has come to that waits at the gate."""
        self._paused[trial.number] = trial

    def judge(self) -> Judged:
        """Decide which of the last block's trials go on; due once, when all are there."""
        assert self._gate is not None, "without a gate nothing pauses"  # noqa: S101
        numbers, self._n_judged = self._unjudged, self._next
        stopped = self._gate.judge([self._row(number) for number in numbers])
        let_on = [n for n in numbers if n not in self._finished and n not in stopped]
        going_on = (replace(self._pausing[number], pause_at=None) for number in let_on)
        return Judged(stopped, tuple(going_on))

    def finish(self, trial: TrialRow) -> None:
        """Take a finished trial in; the block after the next will see it."""
        self._finished[trial.number] = trial
        self._paused.pop(trial.number, None)

    def _find_repeated_failure(self, numbers: range) -> RepeatedFailure | None:
        unacknowledged = range(max(numbers.start, self._n_acknowledged), numbers.stop)
        return find_repeated_failure(
            self._finished[n] for n in unacknowledged if n in self._finished
        )

    @property
    def _is_gate_closed(self) -> bool:
        return self._gate is not None and self._n_judged < self._next

    @property
    def _unjudged(self) -> range:
        return range(self._n_judged, self._next)

    @property
    def _numbers(self) -> range:
        begin, block = self._next, self._study.search.block
        if finalists := self._finalists:
            return range(begin, begin + len(finalists))
        at_once = math.ceil(block / 2) if self._gate else block
        end_of_block = (begin // block + 1) * block
        return range(begin, min(begin + at_once, end_of_block, self._ending.limit(begin)))

    @property
    def _n_visible(self) -> int:
        """How many trials, from the first on, have outcomes that the next block sees."""
        if self._ending.sees_all(self._next):
            return self._next
        block = self._study.search.block
        return max((self._next // block - 1) * block, self._n_seen)

    def _params(self, number: int, finalist: Finalist | None) -> Params:
        if number < len(self._suggested):
            params = self._suggested[number]
        elif finalist is not None:
            params = self._settings[finalist.setting_of]
        else:
            return self._suggester.ask(number)
        self._suggester.restore(number, params)
        return params

    def _assignment(self, number: int, finalist: Finalist | None) -> Assignment:
        """A trial to be trained; nothing but early stopping ends one of a finalist."""
        early = self._study.training.early_stopping
        config = resolve(self._study, number, self._settings[number], finalist)
        assignment = Assignment(
            config=config,
            epochs=config.training.epochs,
            patience=early.patience if early else None,
        )
        if finalist is not None:
            return assignment
        pause_at = self._gate.epoch if self._gate else None
        return replace(assignment, cutoffs=self._rule.cutoffs(number), pause_at=pause_at)


def resolve(
    study: StudyConfig, number: int, params: Mapping[str, Any], finalist: Finalist | None = None
) -> TrialConfig:
    """Resolve a trial: everything that its arithmetic depends on.

    Args:
        study: The study file.
        number: The trial's number.
        params: Its parameters; those that it does not have are left out.
        finalist: What makes it a finalist.
    """
    return TrialConfig(
        study=study.name,
        number=number,
        study_seed=study.search.seed,
        data=study.data,
        model=study.model,
        training=study.training.of_trial(params),
        objective=study.objective,
        params={name: params[name] for name in study.space.active(params)},
        lists=study.space.lists(params) or None,
        finalist=finalist,
    )
