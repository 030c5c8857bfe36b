"""A study's networks in MLflow's registry: the best, the baseline, and the champion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.app.training import run_assignment
from pipeline.app.use import sound_weights
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig
from pipeline.errors import DropoutSearchError, WorkFailedError
from pipeline.trial import (
    Assignment,
    Engine,
    ExportedNetwork,
    RecordedTrial,
    Tell,
    TrainedNetwork,
    TrialRow,
    find_best,
    ignore,
)

if TYPE_CHECKING:
    from pipeline.tracking.models import Registry

Export = Callable[[TrainedNetwork], ExportedNetwork]
"""Exports a network, wherever torch is."""
LOADER: Final = Path(__file__).parents[1] / "learning" / "exported_network.py"
"""Loads a model in the process that serves it: it is copied into the model, not imported."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The models of a study.

    Attributes:
        aliases: MLflow's address of the model that has an alias: ``models:/STUDY/3``.
        problem: Why a network of this run is not among them; ``None``: they are all there.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The models as the command line's JSON holds them."""
        return {**self.aliases, "problem": self.problem}


def trained_network(trial: RecordedTrial) -> TrainedNetwork:
    """A recorded trial's network; of folds the first one's.

    Raises:
        BadInputError: It has no weights.
        WorkFailedError: The weights are damaged.
    """
    has_folds = trial.record.trial.data.folds is not None and not trial.is_refit
    fold = 1 if has_folds else None
    return TrainedNetwork(record=trial.record, weights=sound_weights(trial), fold=fold)


class StudyModels:
    """Registers the best trial's network and the baseline's at the end of a study's run.

    Args:
        workspace: Where the ledger is.
        study: The study.
        engine: Its workers, which have imported torch, export.
        begin_step: Called with ``models`` before.

    Attributes:
        registered: What has come of it; ``None``: nothing was to be registered.
    """

    def __init__(
        self, workspace: Workspace, study: StudyConfig, engine: Engine, begin_step: Tell = ignore
    ) -> None:
        self._begin_step = begin_step
        self._workspace = workspace
        self._study = study
        self._engine = engine
        self.registered: Registered | None = None

    def register(self, rows: Sequence[TrialRow]) -> None:
        """Register them, and let the champion follow the best unless one is confirmed.

        What is registered already is not exported again. That a network cannot be exported, or
        MLflow has no registry, is no failure of the study.

        Args:
            rows: The study's table.
        """
        best = find_best(rows)
        if best is None or not self._workspace.registers_models:
            return
        self._begin_step("models")
        runs = {"best": best.run_id, "baseline": self._baseline_run(rows)}
        try:
            self.registered = Registered(aliases=self._register(runs))
        except DropoutSearchError as error:
            self.registered = Registered(problem=str(error))

    def _register(self, runs: Mapping[str, str | None]) -> dict[str, str]:
        from pipeline.tracking.models import BEST, Registry
        from pipeline.tracking.reader import read_run

        uri = self._workspace.ledger_uri
        registry = Registry.open(uri, self._study.name)
        with registry.writing():
            for alias, run_id in runs.items():
                if run_id is not None:
                    version = version_of(registry, read_run(uri, run_id), self._export)
                    registry.point(alias, version)
                    if alias == BEST:
                        registry.follow(version)
            return registry.aliases()

    def _baseline_run(self, rows: Sequence[TrialRow]) -> str | None:
        """The run of the trial that a confirmation compares with, if a trial has its setting."""
        from pipeline.analysis import choose_candidates

        baseline = choose_candidates(rows, top=1, n_fixed=len(self._study.trials)).baseline
        found = [row.run_id for row in rows if row.number == baseline and row.weights_sha256]
        return found[0] if found else None

    def _export(self, network: TrainedNetwork) -> ExportedNetwork:
        assignment = Assignment(config=network.record.trial, epochs=0, network=network)
        outcome = run_assignment(self._engine, assignment)
        if outcome.exported is None:
            raise WorkFailedError(outcome.cause or "no worker exports the network")
        return outcome.exported


def register_winner(workspace: Workspace, trial: RecordedTrial, export: Export) -> Registered:
    """Register the network that a confirmation has found to win, and make it the champion.

    Args:
        workspace: Where the ledger is.
        trial: The winner.
        export: Exports its network.
    """
    from pipeline.tracking.models import Registry

    try:
        registry = Registry.open(workspace.ledger_uri, trial.record.trial.study)
        with registry.writing():
            registry.confirm(version_of(registry, trial, export))
            return Registered(aliases=registry.aliases())
    except DropoutSearchError as error:
        return Registered(problem=str(error))


def version_of(registry: "Registry", trial: RecordedTrial, export: Export) -> str:
    """The version of a trial's network, registered if it is not yet.

    Raises:
        BadInputError: The trial has no weights.
        WorkFailedError: They are damaged, the network cannot be exported, or MLflow has no
            registry.
    """
    found = registry.find(trial)
    return found or registry.register(trial, export(trained_network(trial)), LOADER)
