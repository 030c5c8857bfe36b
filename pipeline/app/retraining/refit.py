"""Train a trial's setting on training and validation rows, and keep the weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.app.inputs import prepare_trial
from pipeline.app.placement.engine import start_engine
from pipeline.app.placement.placement import HERE, Job, Placement
from pipeline.app.training import train_alone
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.trial import Assignment, TrialOutcome, TrialState, Watch, ignore

if TYPE_CHECKING:
    from pipeline.trial import RecordedTrial


@dataclass(frozen=True, kw_only=True)
class Refit:
    """A setting trained on all rows but the test's.

    Attributes:
        epochs: For how long: up to the trial's best epoch.
        run_id: The run that it was written to, tagged ``refits``.
        path: The weights file, or its URI where MLflow keeps it elsewhere.
    """

    study: str
    number: int
    epochs: int
    run_id: str
    weights_sha256: str
    path: str

    def as_json(self) -> dict[str, Any]:
        """The answer as ``refit --json`` prints it."""
        return {
            "study": self.study,
            "trial": self.number,
            "epochs": self.epochs,
            "run_id": self.run_id,
            "weights_sha256": self.weights_sha256,
            "path": self.path,
        }


def refit(
    workspace: Workspace,
    study: str,
    *,
    trial: int | Literal["best"] = "best",
    placement: Placement = HERE,
    watch: Watch = ignore,
) -> Refit:
    """Train a setting on its own seeds with the validation rows as well; no row of the test.

    Args:
        workspace: Where the ledger and the data are.
        study: Its name.
        trial: Its number.
        placement: Where it is trained.
        watch: Called with each epoch's scores and the outcome.

    Raises:
        BadInputError: There is no such study or trial, the trial failed, or only the user's data
            module knows how to join its rows.
        WorkFailedError: The record is damaged, no worker starts, or the training fails.
    """
    from pipeline.tracking.reader import read_trial
    from pipeline.tracking.retraining import log_refit

    workspace.check_has_studies(study)
    workspace.check_home(to_write=True)
    original = read_trial(workspace.ledger_uri, study, trial)
    assignment = _assignment(study, original)
    config = assignment.config
    data = prepare_trial(config, workspace, where=original.run_id)
    if config.data.class_path is not None:
        from pipeline.learning.custom.datamodule import check_joins

        check_joins(config, where=f"study {study!r}")
    job = Job.of_trial(original, workspace, where=f"study {study!r}")
    with start_engine(placement, job, at_most=1) as engine:
        outcome = train_alone(engine, assignment, data, watch)
    logged = log_refit(original, config, outcome)
    return Refit(
        study=study,
        number=config.number,
        epochs=assignment.epochs,
        run_id=logged.run_id,
        weights_sha256=_sha256(outcome),
        path=logged.weights,
    )


def _assignment(study: str, original: "RecordedTrial") -> Assignment:
    record = original.record
    if record.state is TrialState.FAIL or record.best_epoch is None:
        raise BadInputError(
            where=f"study {study!r}",
            key="trial",
            problem=f"trial {record.trial.number} failed ({record.cause}) and has no best epoch",
        )
    return Assignment(config=record.trial, epochs=record.best_epoch, is_refit=True)


def _sha256(outcome: TrialOutcome) -> str:
    """The digest of the weights.

    Raises:
        WorkFailedError: There are none, since the training failed.
    """
    if outcome.state is TrialState.FAIL or outcome.weights_sha256 is None:
        message = f"trial {outcome.number} cannot be refitted: {outcome.cause or 'no weights'}"
        raise WorkFailedError(message)
    return outcome.weights_sha256
