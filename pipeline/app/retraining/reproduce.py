"""Train a trial again from its record, and say whether it is the same."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.app.inputs import prepare_trial
from pipeline.app.placement.engine import start_engine
from pipeline.app.placement.placement import HERE, Job, Placement
from pipeline.app.run_ids import SHORTEST
from pipeline.app.training import train_alone
from pipeline.app.workspace import Workspace
from pipeline.config import ShownNumber
from pipeline.trial import Assignment, TrialOutcome, TrialState, Watch, ignore

if TYPE_CHECKING:
    from pipeline.analysis import Comparison
    from pipeline.trial import RecordedTrial

RUN_ID = re.compile(rf"^[0-9a-f]{{{SHORTEST},32}}$")
"""A run id, or its first digits."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A trial trained again.

    Attributes:
        repeat: Of which set of seeds; 0: the study's own, else one of ``confirm``'s.
        run_id: The run that it was written to, tagged ``reproduces``.
    """

    original_run_id: str
    study: str
    number: ShownNumber
    repeat: int = 0
    run_id: str
    comparison: "Comparison"

    def as_json(self) -> dict[str, Any]:
        """The answer as ``reproduce --json`` prints it."""
        return {
            "verdict": self.comparison.verdict.value,
            "first_difference": self.comparison.first_difference,
            "differences": list(self.comparison.differences),
            "epochs_compared": self.comparison.epochs_compared,
            "epochs_identical": self.comparison.epochs_identical,
            "weights_sha256": {
                "recorded": self.comparison.weights_recorded,
                "again": self.comparison.weights_again,
            },
            "study": self.study,
            "trial": self.number,
            "repeat": self.repeat,
            "reproduces": self.original_run_id,
            "run_id": self.run_id,
        }


def reproduce(
    workspace: Workspace,
    target: str,
    *,
    trial: int | Literal["best"] | None = None,
    placement: Placement = HERE,
    watch: Watch = ignore,
) -> Reproduction:
    """Train a trial again from its MLflow record alone, in a fresh process, and compare.

    Args:
        workspace: Where the ledger and the data are.
        target: A study's name or, where ``trial`` is not given, a run id or its first eight
            digits or more: of a trial, or of what ``confirm`` or ``refit`` trained.
        trial: Its number; ``best`` where only a study is named.
        placement: Where it is trained.
        watch: Called with each epoch's scores and the outcome.

    Raises:
        BadInputError: There is no such study, trial or run, the data or a class is not here, or
            the home cannot be written to.
        WorkFailedError: The record is damaged or a later version's, or no worker starts.
    """
    from pipeline.analysis import compare
    from pipeline.tracking.retraining import log_reproduction

    workspace.check_has_studies(target)
    workspace.check_home(to_write=True)
    original = read_recorded(workspace, target, trial)
    again = _train_again(workspace, original, placement, watch)
    comparison = compare(original, again)
    run_id = log_reproduction(
        original,
        curve=again.curve,
        verdict=comparison.verdict.value,
        first_difference=comparison.first_difference,
        weights_sha256=again.weights_sha256,
    )
    return Reproduction(
        original_run_id=original.run_id,
        study=original.record.trial.study,
        number=original.record.trial.shown_number,
        repeat=original.record.trial.repeat,
        run_id=run_id,
        comparison=comparison,
    )


def read_recorded(
    workspace: Workspace, target: str, trial: int | Literal["best"] | None
) -> "RecordedTrial":
    """Read a trial from its record: as ``reproduce`` names it.

    What a study is called is its name, though it might begin a run id, too.
    """
    from pipeline.tracking.reader import has_study, read_run, read_trial

    uri = workspace.ledger_uri
    if trial is None and RUN_ID.match(target) and not has_study(uri, target):
        return read_run(uri, target)
    return read_trial(workspace.ledger_uri, target, "best" if trial is None else trial)


def _train_again(
    workspace: Workspace, original: "RecordedTrial", placement: Placement, watch: Watch
) -> TrialOutcome:
    """Train as many epochs as the trial was trained; no rule stops it earlier.

    A failed trial may have failed during an epoch after the last one that it scored.
    """
    record = original.record
    config, has_failed = record.trial, record.state is TrialState.FAIL
    longest = config.training.epochs
    where = f"run {original.run_id}"
    data = prepare_trial(config, workspace, where=where)
    assignment = Assignment(
        config=config,
        epochs=longest if has_failed else min(record.epochs_run, longest),
        is_refit=original.is_refit,
    )
    job = Job.of_trial(original, workspace, where=where)
    with start_engine(placement, job, at_most=1) as engine:
        return train_alone(engine, assignment, data, watch)
