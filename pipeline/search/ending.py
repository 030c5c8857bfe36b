"""How a study ends: where its search does, and which trials train the finalists."""

from collections.abc import Mapping, Sequence

from pipeline.config import Finalist, Params, StudyConfig
from pipeline.trial import Settled, TrialRow


class Ending:
    """Says of each trial whether the search suggests it, or whether it trains a finalist.

    The last trials of a study train its finalists. They begin when all others have ended, and
    follow from all of them. A study that goes on with more trials keeps those of its first
    finalists as they are; its search goes on after them, and its last trials train others.

    Args:
        study: The study file.
        finalists: The finalists' trials of earlier runs, by number.
        settled: Why the search ended in an earlier run before all its trials were done.
    """

    def __init__(
        self, study: StudyConfig, finalists: Mapping[int, Finalist], settled: Settled | None
    ) -> None:
        self._study = study
        self._finalists = dict(finalists)
        self.settled = settled

    @property
    def n_trials(self) -> int:
        """The study's total."""
        return self.settled.n_trials if self.settled else self._study.search.trials

    @property
    def _n_searched(self) -> int:
        return self.settled.at if self.settled else self._study.n_searched

    def sees_all(self, begin: int) -> bool:
        """Whether the trial follows from all trials before it, and not with a lag."""
        return begin in self._finalists or begin >= self._n_searched

    def limit(self, begin: int) -> int:
        """The number at which trials of the search that begin here end at the latest."""
        end = self._n_searched if begin < self._n_searched else self.n_trials
        return min([end, *(number for number in self._finalists if number > begin)])

    def finalists(
        self, begin: int, suggested: Sequence[Params], finished: Mapping[int, TrialRow]
    ) -> dict[int, Finalist]:
        """The finalists' trials that begin here; none where the search goes on, by number.

        Where all trials failed or were stopped there is nothing to train again, and the search
        goes on until one is complete.

        Args:
            begin: A number; all trials before it have ended.
            suggested: Their parameters, by number.
            finished: They themselves, by number.
        """
        if not self.sees_all(begin) or begin >= self.n_trials:
            return {}
        of_earlier_run = self._finalists.get(begin)
        numbers = of_earlier_run.numbers if of_earlier_run else range(begin, self.n_trials)
        if not all(number in self._finalists for number in numbers):
            self._finalists |= self._choose(numbers, suggested, finished)
        return {number: self._finalists[number] for number in numbers if number in self._finalists}

    def _choose(
        self, numbers: range, suggested: Sequence[Params], finished: Mapping[int, TrialRow]
    ) -> dict[int, Finalist]:
        from pipeline.search.finalists import choose_settings  # scipy takes 1 s to import

        before = [finished[number] for number in range(numbers.start)]
        chosen = choose_settings(self._study, suggested, before, n_trials=len(numbers))
        return {
            number: Finalist(setting_of=setting_of, first=numbers.start, last=numbers[-1])
            for number, setting_of in zip(numbers, chosen, strict=False)
        }

    def settle(
        self,
        begin: int,
        suggested: Sequence[Params],
        finished: Mapping[int, TrialRow],
        *,
        n_visible: int,
    ) -> Settled | None:
        """Decide whether the search ends here; asked once for each trial that begins a block.

        Args:
            begin: A number.
            suggested: The parameters of all trials before it, by number.
            finished: Trials that have ended, by number.
            n_visible: It sees the outcomes of so many first ones.
        """
        is_asked = self._study.search.until == "settled" and self.settled is None
        if not is_asked or self.sees_all(begin) or begin % self._study.search.block:
            return None
        from pipeline.search.settled import find_settled  # scipy takes 1 s to import

        visible = [finished[number] for number in range(n_visible)]
        self.settled = find_settled(self._study, suggested, visible, at=begin)
        return self.settled
