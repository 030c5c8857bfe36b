"""Finished studies as lines of JSON, so that a run that was interrupted goes on with the rest."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple, Self

from benchmarks.search import plan
from pipeline.trial import TrialRow, TrialState


class StudyKey(NamedTuple):
    """Which study: searched how, where, with which seed."""

    policy: str
    space: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial of a finished study.

    Attributes:
        params: The active ones.
        epochs: That it was trained for.
        lowest: Its lowest validation loss; ``None`` where none was finite.
        state: Optuna's name.
        curve: Validation losses, one an epoch.
    """

    params: dict[str, Any]
    epochs: int
    lowest: float | None
    state: str
    curve: Sequence[float] = ()

    @classmethod
    def of(cls, row: TrialRow) -> Self:
        """What is kept of a trial that has ended; one that still pauses is never gone on with."""
        state = TrialState.PRUNED if row.state is TrialState.RUNNING else row.state
        return cls(
            params=dict(row.params),
            epochs=len(row.scores),
            lowest=row.best_score,
            state=state.name,
            curve=list(row.scores),
        )

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to its end."""
        return self.state == TrialState.COMPLETE.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A finished study.

    Attributes:
        budget: Epochs after which no more trials were asked for.
        trials: In the order of their numbers.
        seconds: Spent in workers (``training``) and in the search (``sampling``).
        chosen: The parameters that the search itself would choose, by the epochs spent; none where
            it leaves that to whoever reads it, as the peers do.
    """

    policy: str
    space: str
    seed: int
    budget: int
    trials: Sequence[Trial]
    seconds: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def key(self) -> StudyKey:
        """Which study it is."""
        return StudyKey(self.policy, self.space, self.seed)

    @property
    def epochs(self) -> int:
        """That all its trials were trained for."""
        return sum(trial.epochs for trial in self.trials)

    def within(self, budget: int) -> Sequence[Trial]:
        """The trials that had ended when so many epochs were spent, by the order of numbers."""
        spent, ended = 0, []
        for trial in self.trials:
            spent += trial.epochs
            if spent > budget:
                break
            ended.append(trial)
        return ended


def choose(study: Study, budget: int) -> Mapping[str, Any] | None:
    """What a study would choose after so many epochs.

    What it says itself, or else the complete trial of the lowest loss; where none is complete, the
    trial of the lowest loss.

    Returns:
        The setting's parameters; ``None`` where no trial has ended by then.
    """
    if str(budget) in study.chosen:
        return study.chosen[str(budget)]
    return _params_of_best(study, budget, _lowest)


def _params_of_best(
    study: Study, budget: int, loss: Callable[[Trial], float]
) -> Mapping[str, Any] | None:
    ended = [trial for trial in study.within(budget) if trial.lowest is not None]
    trials = [trial for trial in ended if trial.is_complete] or ended
    best = min(trials, key=loss, default=None)
    return None if best is None else best.params


def _lowest(trial: Trial) -> float:
    assert trial.lowest is not None
    return trial.lowest


def _mean_of_lowest(trial: Trial) -> float:
    """One epoch's loss is the luckiest of many; several are less so."""
    return fmean(sorted(trial.curve)[: plan.MEAN_OF] or [_lowest(trial)])


def with_choices_by_mean(studies: Iterable[Study], budgets: Sequence[int]) -> list[Study]:
    """Add to studies those of ours once more, as they choose by the mean of several epochs."""
    studies = list(studies)
    ours = (study for study in studies if study.policy == plan.OURS)
    return [*studies, *(_by_mean(study, budgets) for study in ours)]


def _by_mean(study: Study, budgets: Sequence[int]) -> Study:
    chosen = {
        str(budget): params
        for budget in budgets
        if (params := _params_of_best(study, budget, _mean_of_lowest)) is not None
    }
    return replace(study, policy=plan.BY_MEAN, chosen=chosen)


class Lines:
    """A file of JSON objects, one a line, that only grows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read every line that was written whole."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)

    def append(self, document: Mapping[str, Any]) -> None:
        """Add a line; what an interruption left of another one is cut off."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.seek(0)
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
            file.write(json.dumps(document).encode() + b"\n")


def read_studies(path: Path) -> dict[StudyKey, Study]:
    """Read finished studies; of two with one key the later one, which had the larger budget."""
    studies = (_study(document) for document in Lines(path))
    return {study.key: study for study in studies}


def write_study(path: Path, study: Study) -> None:
    """Add a finished study."""
    Lines(path).append(asdict(study))


def _study(document: dict[str, Any]) -> Study:
    trials = [Trial(**trial) for trial in document.pop("trials")]
    return Study(trials=trials, **document)
