"""Run the searches live: every trial is trained, and each finished study is a line of a file.

Started again, it goes on with the studies that are missing.
"""

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Any, Final

from benchmarks.search import plan
from benchmarks.search.policies import POLICIES, Policy
from benchmarks.search.spaces import LIVE, Folders, LiveSpace, add_live_options
from benchmarks.search.studies import Study, StudyKey, Trial, read_studies, write_study
from benchmarks.search.training import Recalled
from pipeline.app.inputs import Data, locate_data, prepare_data
from pipeline.app.training import FIT, TICK_SECONDS
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig
from pipeline.engines import LocalEngine
from pipeline.learning.checkpoints import CheckpointFolder, Resumable
from pipeline.search.cohorts import form_cohorts
from pipeline.trial import Assignment, Cohort, Engine, TrialKey, TrialOutcome, TrialRow, TrialState

FILE: Final = "studies.jsonl"


@dataclass(kw_only=True)
class Running:
    """A study in progress.

    Attributes:
        waiting: Trials that were asked for and not handed to a worker.
        training: Those that were, by the key that their outcomes have.
        rows: Trials that have ended, by number.
    """

    key: StudyKey
    policy: Policy
    budget: int
    waiting: list[Assignment] = field(default_factory=list)
    training: dict[TrialKey, Assignment] = field(default_factory=dict)
    rows: dict[int, TrialRow] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"training": 0.0, "sampling": 0.0})
    is_over: bool = False

    def advance(self, known: Recalled) -> None:
        """Ask for trials until some have to be trained, or the budget is spent."""
        while not (self.is_over or self.training):
            self.recall(known)
            if self.waiting:
                return
            self._ask()

    def _ask(self) -> None:
        began = time.perf_counter()
        self.waiting = [] if self._is_spent else list(self.policy.ask())
        going_on = {one.config.number for one in self.waiting}
        for number, row in self.rows.items():
            if row.state is TrialState.RUNNING and number not in going_on:
                self.rows[number] = replace(row, state=TrialState.PRUNED)
        self.is_over = not self.waiting
        self.seconds["sampling"] += time.perf_counter() - began

    @property
    def _is_spent(self) -> bool:
        """Whether the budget is spent; trials that pause at a gate are judged first."""
        states = {row.state for row in self.rows.values()}
        spent = sum(len(row.scores) for row in self.rows.values())
        return spent >= self.budget and TrialState.RUNNING not in states

    def recall(self, known: Recalled) -> None:
        """End the waiting trials that were trained before."""
        waiting, self.waiting = self.waiting, []
        for assignment in waiting:
            row = known.find(assignment)
            if row is None:
                self.waiting.append(assignment)
            else:
                self._end(row)

    def hand_out(self, cohort: Cohort) -> None:
        """Note that a worker has these trials."""
        keys = set(cohort.keys)
        self.training |= {one.key: one for one in cohort.assignments}
        self.waiting = [one for one in self.waiting if one.key not in keys]

    def take(self, outcome: TrialOutcome, known: Recalled) -> None:
        """Take in a trial that a worker has trained."""
        assignment = self.training.pop(outcome.key)
        row = TrialRow.of(assignment.config, outcome)
        self.seconds["training"] += sum(outcome.seconds.values())
        known.remember(assignment, row)
        self._end(row)

    def _end(self, row: TrialRow) -> None:
        began = time.perf_counter()
        self.rows[row.number] = row
        self.policy.tell(row)
        self.seconds["sampling"] += time.perf_counter() - began

    @property
    def study(self) -> Study:
        """The finished study."""
        trials = [Trial.of(self.rows[number]) for number in sorted(self.rows)]
        seconds = {name: round(spent, 3) for name, spent in self.seconds.items()}
        return Study(**self.key._asdict(), budget=self.budget, trials=trials, seconds=seconds)


class Bench:
    """Trains the trials of several studies of one space on the workers of one engine.

    Args:
        engine: With its data opened.
        known: Trainings that need not be done again.
    """

    def __init__(self, engine: Engine, known: Recalled) -> None:
        self._engine = engine
        self._known = known
        self._training: dict[TrialKey, Running] = {}

    def run(self, waiting: Iterator[Running]) -> Iterator[Running]:
        """Run studies, the first ones first, and give each when it is over."""
        active: list[Running] = []
        while True:
            active += islice(waiting, self._engine.n_workers - len(active))
            if not active:
                return
            for running in active:
                self._serve(running)
            yield from [running for running in active if running.is_over]
            active = [running for running in active if not running.is_over]
            self._wait()

    def _serve(self, running: Running) -> None:
        running.advance(self._known)
        running.recall(self._known)  # another study may have trained it in the meantime
        for cohort in form_cohorts(running.waiting, n_workers=1):
            # An outcome is told apart by its trial's number alone, so two studies take turns.
            if self._engine.wants_work and not self._training.keys() & set(cohort.keys):
                running.hand_out(cohort)
                self._training |= dict.fromkeys(cohort.keys, running)
                self._engine.submit(cohort)

    def _wait(self) -> None:
        if not self._training:
            return
        for event in self._engine.events(TICK_SECONDS):
            if isinstance(event, TrialOutcome):
                self._training.pop(event.key).take(event, self._known)


def keys_of(options: argparse.Namespace, space: str) -> list[StudyKey]:
    """The studies of a space: every policy of a seed before the next seed."""
    return [
        StudyKey(policy, space, seed) for seed, policy in product(options.seeds, options.policies)
    ]


def begin(key: StudyKey, space: LiveSpace, data: Mapping[str, Any], budget: int) -> Running:
    """Begin a study."""
    entry = POLICIES[key.policy]
    study = space.study(data, **{"trials": budget, "seed": key.seed, **entry.search})
    return Running(key=key, policy=entry.make(study), budget=budget)


def prepare(study: StudyConfig, folders: Folders) -> Data:
    """Make the data of a space ready for workers."""
    workspace = Workspace(home=folders.work, data_dir=folders.data_dir)
    source = locate_data(study.data, workspace, where=study.name)
    return prepare_data(study.data, {}, workspace, source=source, where=study.name)


def run_space(space: LiveSpace, options: argparse.Namespace) -> None:
    """Run the studies of a space that are missing."""
    file = options.out / FILE
    done = read_studies(file)
    keys = [
        key
        for key in keys_of(options, space.name)
        if key not in done or done[key].budget < options.budget
    ]
    if not keys:
        return
    folders = Folders(options.data_dir, options.out / "data")
    data = space.rows(folders)
    known = Recalled(study for study in done.values() if study.space == space.name)
    waiting = deque(keys)
    with LocalEngine(FIT, n_workers=options.workers) as engine:
        checkpoints = CheckpointFolder((options.out / "checkpoints" / "live").absolute())
        prepared = prepare(space.study(data, trials=1), folders)
        engine.open(Resumable(prepared, checkpoints))
        studies = (
            begin(waiting.popleft(), space, data, options.budget) for _ in range(len(waiting))
        )
        for running in Bench(engine, known).run(studies):
            write_study(file, running.study)
            print(line_of(running.study), flush=True)


def line_of(study: Study) -> str:
    """A finished study in a line."""
    lowest = min((trial.lowest for trial in study.trials if trial.lowest is not None), default=None)
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in study.seconds.items())
    return (
        f"{study.space} {study.policy} {study.seed}: {len(study.trials)} trials, "
        f"{study.epochs} epochs, lowest {lowest}, {spent}"
    )


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.live", description=__doc__)
    add = parser.add_argument
    add("--policies", nargs="+", choices=POLICIES, default=[plan.OURS, *plan.PEERS])
    add("--seeds", nargs="+", type=int, default=list(plan.SEEDS), metavar="N")
    add("--budget", type=int, default=max(plan.BUDGETS), metavar="EPOCHS", help="of a study")
    add_live_options(parser)
    return parser


def main(words: Sequence[str]) -> int:
    """Run space after space."""
    options = parser().parse_args(words)
    for name in options.spaces:
        run_space(LIVE[name], options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
