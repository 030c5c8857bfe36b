"""The composition root: puts the rooms together, one function a command."""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pipeline.config import StudyConfig, differences, digest, load_study
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.trial import Assignment, Cohort, EpochScores, TrialOutcome, TrialRow, best_row

if TYPE_CHECKING:
    from pipeline.analysis import Comparison
    from pipeline.learning.data import PreparedData, Source
    from pipeline.tracking.reader import RecordedTrial

FIT = "pipeline.learning.fit:fit_cohort"
"""What a worker does with a cohort; a string, so that the driver need not import torch."""

RUN_ID = re.compile(r"^[0-9a-f]{32}$")

Watch = Callable[[EpochScores | TrialOutcome], None]


def _ignore(_news: EpochScores | TrialOutcome) -> None:
    """Watch nothing."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a command finds and leaves things.

    Attributes:
        home: All state: MLflow's database and artifacts, Optuna's journal, decoded data.
        data_dir: Where data sets lie, in torchvision's layout; never written to.
        tracking_uri: MLflow's address; ``None``: the home's own database.
        storage: Optuna's address, an SQLAlchemy URL; ``None``: the home's own journal.
    """

    home: Path = field(default_factory=lambda: Path(os.environ.get("PIPELINE_HOME") or "mlruns"))
    data_dir: Path | None = None
    tracking_uri: str | None = field(
        default_factory=lambda: os.environ.get("MLFLOW_TRACKING_URI") or None
    )
    storage: str | None = None

    @property
    def journal(self) -> Path:
        """Optuna's embedded store."""
        return self.home / "optuna.journal"

    @property
    def cache(self) -> Path:
        """Decoded and downloaded data."""
        return self.home / "cache"

    @property
    def ledger_uri(self) -> str:
        """Where MLflow's runs are."""
        from pipeline.tracking.home import tracking_uri

        return self.tracking_uri or tracking_uri(self.home)

    @property
    def artifacts(self) -> Path | None:
        """Where the embedded ledger keeps artifacts; a server decides for itself."""
        from pipeline.tracking.home import artifact_root

        return None if self.tracking_uri else artifact_root(self.home)

    def make_home(self) -> None:
        """Make the home's folder.

        Raises:
            BadInputError: It cannot be made or written to.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            got = f"{self.home} ({error.strerror})"
            raise BadInputError(where="--home", got=got, expected="a folder") from None
        if not os.access(self.home, os.W_OK):
            raise BadInputError(
                where="--home", got=f"{self.home} (read-only)", expected="a folder to write to"
            )


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """What a study came to.

    Attributes:
        trials: The table, by number.
        seconds: Where the wall time of this run went; ``total`` is the sum of the others.
    """

    study: str
    trials: Sequence[TrialRow]
    seconds: Mapping[str, float]

    @property
    def best(self) -> TrialRow | None:
        """The complete trial of the lowest value."""
        return best_row(self.trials)

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are complete, pruned and failed."""
        states = Counter(row.state.name for row in self.trials)
        return {"complete": states["COMPLETE"], "pruned": states["PRUNED"], "failed": states["FAIL"]}

    def as_json(self) -> dict[str, Any]:
        """The result as ``run --json`` prints it."""
        best = self.best and {
            key: getattr(self.best, key) for key in ("number", "value", "params", "run_id")
        }
        return {
            "study": self.study,
            "trials": self.counts,
            "best": best,
            "seconds": {name: round(spent, 3) for name, spent in self.seconds.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study and where it lives: ``Study.load(path).run(workers=2).best.params``.

    Attributes:
        config: The study file.
        file: What errors call it.
    """

    config: StudyConfig
    place: Place = field(default_factory=Place)
    file: str = "study"

    @classmethod
    def load(
        cls, path: str | Path, *, overrides: Sequence[str] = (), place: Place | None = None
    ) -> Self:
        """Read and check a study file.

        Args:
            path: The YAML file.
            overrides: ``KEY=VALUE``, each replacing a value of the file.
            place: Where its state lives; by default ``./mlruns`` and the embedded stores.

        Raises:
            BadInputError: Naming file, key, value and limit.
        """
        config = load_study(Path(path), overrides)
        return cls(config=config, place=place or Place(), file=str(path))

    def run(
        self, *, workers: int | None = None, watch: Watch = _ignore, started: float | None = None
    ) -> StudyResult:
        """Run the study to its end, or go on with it.

        Args:
            workers: Worker processes; by default one a core.
            watch: Called with each epoch's scores and each outcome.
            started: ``time.perf_counter()`` when the user's command began.

        Raises:
            BadInputError: Data, address or home are not usable, or the same name stands for
                another study; nothing was written.
            WorkFailedError: Another process runs the study, or no worker starts.
        """
        from pipeline.engines import LocalEngine
        from pipeline.learning.data import prepare
        from pipeline.search import Driver, SecondsLedger, TrialStore, open_storage
        from pipeline.search.lock import hold_study

        started = time.perf_counter() if started is None else started
        n_workers = workers or len(os.sched_getaffinity(0))
        source = self._check()
        self.place.make_home()
        with hold_study(self.place.home, self.config.name):
            with LocalEngine(FIT, n_workers=n_workers) as engine:
                from pipeline.tracking.ledger import MlflowLedger

                storage = open_storage(self.place.storage, self.place.journal, to_write=True)
                assert storage is not None, "a writer makes the storage"  # noqa: S101
                ledger = MlflowLedger(self.place.ledger_uri, self.place.artifacts)
                engine.open(prepare(source, cache=self.place.cache))
                seconds = SecondsLedger(started, n_workers=n_workers)
                driver = Driver(
                    self.config,
                    store=TrialStore.create(storage, self.config),
                    ledger=ledger,
                    engine=engine,
                    seconds=seconds,
                    watch=watch,
                )
                rows = driver.run()
            return StudyResult(study=self.config.name, trials=rows, seconds=seconds.summary())

    def _check(self) -> "Source":
        """Find everything that is wrong before anything is written."""
        from pipeline.learning.data import known_sizes, locate

        self._check_same()
        known_sizes(self.config.data, where=self.file)
        if self.place.tracking_uri is not None:
            from pipeline.tracking.client import connect

            connect(self.place.tracking_uri)
        return locate(self.config.data, self.place.data_dir, cache=self.place.cache)

    def _check_same(self) -> None:
        """Refuse another study under a name that is taken, and a smaller number of trials."""
        stored = _stored_document(self.place, self.config.name)
        if stored is None:
            return
        if stored.get("digest") != digest(self.config):
            changed = differences(stored["document"], self.config.document)
            raise BadInputError(
                where=self.file,
                key=changed[0].partition(":")[0] if changed else "name",
                got=f"another study under the name {self.config.name!r} ({'; '.join(changed)})",
                expected="the file as it was first run, or a new name",
            )
        before = stored["document"]["search"]["trials"]
        if self.config.search.trials < before:
            raise BadInputError(
                where=self.file,
                key="search.trials",
                got=str(self.config.search.trials),
                expected=f"at least {before}, which the study was given before",
            )


def _stored_document(place: Place, name: str) -> dict[str, Any] | None:
    from pipeline.search import TrialStore, open_storage, study_names

    storage = open_storage(place.storage, place.journal, to_write=False)
    if storage is None or name not in study_names(storage):
        return None
    store = TrialStore(storage, name)
    if store.document is None:
        return None
    return {"digest": store.digest, "document": store.document}


def list_studies(place: Place) -> list[dict[str, Any]]:
    """List the studies of a home: name, trials by state, best value."""
    from pipeline.search import TrialStore, open_storage, study_names

    storage = open_storage(place.storage, place.journal, to_write=False)
    listed = []
    for name in [] if storage is None else study_names(storage):
        result = StudyResult(study=name, trials=TrialStore(storage, name).rows(), seconds={})
        listed.append({key: value for key, value in result.as_json().items() if key != "seconds"})
    return listed


def show_study(place: Place, name: str) -> StudyResult:
    """Read a study's table.

    Raises:
        BadInputError: There is no study of this name.
    """
    from pipeline.search import TrialStore, open_storage

    storage = open_storage(place.storage, place.journal, to_write=False)
    if storage is None:
        raise BadInputError(
            where="study", got=repr(name), expected=f"a study in {place.home}, which has none"
        )
    return StudyResult(study=name, trials=TrialStore(storage, name).rows(), seconds={})


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A trial trained again.

    Attributes:
        run_id: The run that it was written to, tagged ``reproduces``.
    """

    original_run_id: str
    number: int
    run_id: str
    comparison: "Comparison"

    def as_json(self) -> dict[str, Any]:
        """The answer as ``reproduce --json`` prints it."""
        return {
            "verdict": self.comparison.verdict.value,
            "first_difference": self.comparison.first_difference,
            "epochs_compared": self.comparison.epochs_compared,
            "weights_sha256": {
                "recorded": self.comparison.weights_recorded,
                "again": self.comparison.weights_again,
            },
            "trial": self.number,
            "reproduces": self.original_run_id,
            "run_id": self.run_id,
        }


def reproduce(
    place: Place, target: str, *, trial: int | Literal["best"] | None = None, watch: Watch = _ignore
) -> Reproduction:
    """Train a trial again from its MLflow record alone, in a fresh process, and compare.

    Args:
        target: A study's name or, where ``trial`` is not given, a run id (32 hex digits).
        trial: Its number; ``best`` where only a study is named.
        watch: Called with each epoch's scores and the outcome.

    Raises:
        BadInputError: There is no such study, trial or run.
        WorkFailedError: The record is damaged, or no worker starts.
    """
    from pipeline.analysis import Kept, compare
    from pipeline.tracking.reproduction import log_reproduction

    original = _read(place, target, trial)
    again = _train_again(place, original, watch)
    kept = Kept(curve=original.curve, weights_sha256=original.weights_sha256)
    comparison = compare(original.record, kept, again)
    run_id = log_reproduction(
        place.ledger_uri,
        original,
        curve=again.curve,
        verdict=comparison.verdict.value,
        first_difference=comparison.first_difference,
        weights_sha256=again.weights_sha256,
    )
    return Reproduction(
        original_run_id=original.run_id,
        number=original.record.trial.number,
        run_id=run_id,
        comparison=comparison,
    )


def _read(place: Place, target: str, trial: int | Literal["best"] | None) -> "RecordedTrial":
    from pipeline.tracking.reader import read_run, read_trial

    if trial is None and RUN_ID.match(target):
        return read_run(place.ledger_uri, target)
    return read_trial(place.ledger_uri, target, "best" if trial is None else trial)


def _train_again(place: Place, original: "RecordedTrial", watch: Watch) -> TrialOutcome:
    """Train for as many epochs as the record says; no rule but the clock of epochs stops it."""
    from pipeline.engines import LocalEngine
    from pipeline.learning.data import locate, prepare

    config, epochs = original.record.trial, original.record.epochs_run
    data = prepare(locate(config.data, place.data_dir, cache=place.cache), cache=place.cache)
    assignment = Assignment(config=config, epochs=epochs or config.training.epochs)
    with LocalEngine(FIT, n_workers=1) as engine:
        return _outcome(engine, data, assignment, watch)


def _outcome(
    engine: Any, data: "PreparedData", assignment: Assignment, watch: Watch
) -> TrialOutcome:
    engine.open(data)
    engine.submit(Cohort((assignment,)))
    while True:
        for news in engine.events(1.0):
            watch(news)
            if isinstance(news, TrialOutcome):
                return news


@contextmanager
def serve_ui(place: Place, port: int) -> Iterator[str]:
    """Serve MLflow's page on a home while the context lasts; yields the address to open.

    Raises:
        BadInputError: The ledger is a server, which has a page of its own, or the home is empty.
        WorkFailedError: The server does not start.
    """
    from pipeline.tracking.ui import serve

    if place.tracking_uri is not None:
        raise BadInputError(
            where="MLFLOW_TRACKING_URI",
            got=place.tracking_uri,
            expected="none: open that address in a browser",
        )
    with serve(place.home, port) as address:
        yield address


def schema() -> dict[str, Any]:
    """The study file's JSON schema."""
    return StudyConfig.model_json_schema()


__all__ = [
    "Place",
    "Reproduction",
    "Study",
    "StudyResult",
    "WorkFailedError",
    "list_studies",
    "reproduce",
    "schema",
    "serve_ui",
    "show_study",
]
