"""How far does the driver go? A study of 1,000 workers and 100,000 trials, nothing trained.

The driver, the search, Optuna's storage and, with ``--mlflow``, MLflow's are the real ones; the
workers live in virtual time and their curves are made up. Cut short by Ctrl-C, it reports on what
there is.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import Engine, text

from benchmarks.machine import describe_run
from benchmarks.simulate.engine import SimulatedEngine
from benchmarks.simulate.learning import Formula, LcBench, Learning
from benchmarks.simulate.ledger import SilentLedger
from benchmarks.simulate.measures import (
    Part,
    Probe,
    State,
    WatchedStore,
    WatchedTime,
    law_of_suggestions,
    law_of_trials,
    row_of,
)
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig
from pipeline.search.answers.summary import summary_of
from pipeline.search.driver import Driver
from pipeline.search.storage.lease import hold
from pipeline.search.storage.opening import open_storage
from pipeline.trial import Ledger, Progress, Tell, ignore

MILESTONES: Final = (100, 1_000, 10_000, 100_000)
"""Numbers of finished trials that are reported on."""
LARGEST_BLOCK: Final = 1_000
"""That a study file may ask for."""


class Simulation:
    """A study of made-up trials.

    Args:
        study: The study file.
        learning: Makes up the trials.
        workspace: Where its stores are.
        n_workers: Workers of the engine.
        with_mlflow: Whether MLflow's ledger is written.
        say: Called with a line of progress.
    """

    def __init__(
        self,
        study: StudyConfig,
        learning: Learning,
        workspace: Workspace,
        *,
        n_workers: int,
        with_mlflow: bool = False,
        say: Tell = ignore,
    ) -> None:
        self._study, self._learning, self._workspace = study, learning, workspace
        self._with_mlflow, self._say = with_mlflow, say
        self._storage: BaseStorage | None = None
        self.engine = SimulatedEngine(learning, n_workers=n_workers)
        self.times = WatchedTime(n_workers=n_workers)
        n_trials = study.search.trials
        self.probe = Probe(
            n_trials=n_trials,
            milestones=sorted({*(one for one in MILESTONES if one < n_trials), n_trials}),
            times=self.times,
            learning_seconds=lambda: learning.seconds,
            store_bytes=self._store_bytes,
            show=self._show,
        )
        self.ending = (0.0, 0.0)
        self.parts: list[Part] = []

    def run(self, progress: Progress | None = None) -> None:
        """Run the study, to its end or until Ctrl-C.

        Args:
            progress: Looks on; by default the probe.
        """
        home = self._workspace.home
        home.mkdir(parents=True, exist_ok=True)
        workspace = self._workspace
        self._storage = storage = open_storage(workspace.storage, workspace.journal, to_write=True)
        assert storage is not None, "a writer makes the storage"
        with hold(storage, self._study.name, home) as lease:
            store = WatchedStore.create(storage, self._study, lease)
            assert isinstance(store, WatchedStore)
            store.watch(self.times)
            self.parts = store.parts
            driver = Driver(
                self._study,
                store=store,
                ledger=self._ledger(),
                engine=self.engine,
                seconds=self.times,
                progress=progress or self.probe,
                max_cohort=1,
            )
            driver.run(summary_of)
        last = self.probe.states[-1]
        self.probe.note()
        now = self.probe.states.pop()
        self.ending = now.wall - last.wall, now.cpu["total"] - last.cpu["total"]

    def report(self) -> dict[str, Any]:
        """What was measured."""
        states = self.probe.states
        at = [self.probe.at(n) for n in self.probe.milestones if n <= self.probe.n_finished]
        if not at or at[-1] is not states[-1]:
            at.append(states[-1])
        begins = [states[0], *at[:-1]]
        of_suggestions = law_of_suggestions(self.parts) if self.parts else None
        of_trials = law_of_trials(states)
        return {
            "rows": [row_of(one, two, self.parts) for one, two in zip(begins, at, strict=True)],
            "law_of_suggestions": str(of_suggestions),
            "law_of_trials_without_suggestions": str(of_trials),
            "at_a_million": {
                "suggestion_cpu_ms": of_suggestions and of_suggestions.at(1_000_000),
                "other_cpu_ms": of_trials and of_trials.at(1_000_000),
            },
            "busy_part_of_workers": self._busy_part(),
            "ending_seconds": {"wall": self.ending[0], "cpu": self.ending[1]},
        }

    def _busy_part(self) -> float:
        engine = self.engine
        return engine.busy_seconds / (engine.now * engine.n_workers) if engine.now else 0.0

    def _ledger(self) -> Ledger:
        return self._workspace.make_ledger(ignore) if self._with_mlflow else SilentLedger()

    def _store_bytes(self) -> Mapping[str, int]:
        home, journal = self._workspace.home, self._workspace.journal
        mlflow = sum(file.stat().st_size for file in home.glob("mlflow.db*"))
        if isinstance(self._storage, RDBStorage):
            return {"optuna": database_bytes(self._storage.engine), "mlflow": mlflow}
        return {"optuna": journal.stat().st_size if journal.exists() else 0, "mlflow": mlflow}

    def _show(self, state: State) -> None:
        cpu = state.cpu["total"]
        self._say(
            f"{state.n_finished:,} of {self._study.search.trials:,} trials, {state.scores:,} "
            f"scores: {state.wall:.0f} s, driver's processor {cpu:.0f} s, "
            f"{state.memory_bytes / 2**20:.0f} MiB"
        )


def database_bytes(engine: Engine) -> int:
    """How large the database is, with all that it holds; 0 where it is not PostgreSQL."""
    if engine.dialect.name != "postgresql":
        return 0
    with engine.connect() as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return int(size)


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    add = parser.add_argument
    add("--trials", type=int, default=100_000, metavar="N")
    add("--workers", type=int, default=1_000, metavar="N")
    add("--sampler", default="auto", help="as in a study file")
    add("--stopping", default="auto", help="as in a study file")
    add("--block", type=int, metavar="N", help="as in a study file; by default one a worker")
    add("--mlflow", action="store_true", help="write MLflow's ledger, too")
    add("--storage", metavar="URL", help="of a database instead of Optuna's journal")
    add("--lcbench", type=Path, metavar="FOLDER", help="its curves; needs onnxruntime")
    add("--home", type=Path, metavar="FOLDER", help="keep the stores here")
    add("--out", type=Path, metavar="FILE", help="write the report as JSON, too")
    return parser


def simulate(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Run one study in a home, and report."""
    problem = LcBench(options.lcbench) if options.lcbench else Formula()
    search = {
        "trials": options.trials,
        "sampler": options.sampler,
        "stopping": options.stopping,
        "block": options.block or min(options.workers, LARGEST_BLOCK),
    }
    simulation = Simulation(
        problem.study(search),
        Learning(problem),
        Workspace(home=home, storage=options.storage),
        n_workers=options.workers,
        with_mlflow=options.mlflow,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    try:
        simulation.run()
    except KeyboardInterrupt:
        print("cut short", file=sys.stderr)
    asked = {**search, "workers": options.workers, "mlflow": options.mlflow}
    return {"asked": asked} | simulation.report()


def main(words: Sequence[str]) -> int:
    """Simulate a study, and print what was measured."""
    options = parser().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
        report = simulate(options, options.home or Path(folder))
    printed = json.dumps(report | describe_run("benchmarks.simulate", words), indent=1)
    print(printed)
    if options.out:
        options.out.write_text(f"{printed}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
