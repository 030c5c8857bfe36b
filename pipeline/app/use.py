"""Use what a study has found: the network of a trial."""

from typing import TYPE_CHECKING, Literal

from pipeline.app.inputs import find_trial_classes
from pipeline.app.retraining.reproduce import read_recorded
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.trial import sha256_of

if TYPE_CHECKING:
    from pipeline.learning.lightning import LightningModule
    from pipeline.trial import RecordedTrial, TrialRecord


def load_model(
    target: str,
    *,
    trial: int | Literal["best"] | None = None,
    fold: int | None = None,
    workspace: Workspace | None = None,
) -> "LightningModule":
    """Build a trial's network with the weights of its best epoch, in evaluation mode.

    A module of the user's own is built by its constructor, with the parameters of the record.

    Args:
        target: A study's name or, where ``trial`` is not given, a run id.
        trial: Its number; ``best`` where only a study is named.
        fold: Which network of a study with folds, counted from 1.
        workspace: Where the ledger is; by default ``./mlruns``.

    Raises:
        BadInputError: There is no such trial, it has no weights, ``fold`` is none of its folds, or
            the user's module cannot be built, or is code that this user has not run.
        WorkFailedError: The record or the weights are damaged.
    """
    workspace = workspace or Workspace()
    workspace.check_has_studies(target)
    recorded = read_recorded(workspace, target, trial)
    where, weights = f"run {recorded.run_id}", sound_weights(recorded)
    find_trial_classes(recorded.record.trial, workspace, where=where)
    try:
        return _load(recorded.record, weights, fold)
    except ValueError as error:
        raise BadInputError(where=where, key="trial", problem=str(error)) from None


def sound_weights(recorded: "RecordedTrial") -> bytes:
    """The weights of a trial's best epoch, once they are known to be those of its record.

    Raises:
        BadInputError: The trial has none.
        WorkFailedError: They are damaged.
    """
    where, weights = f"run {recorded.run_id}", recorded.weights
    if weights is None:
        raise BadInputError(where=where, key="trial", problem="the trial has no weights")
    if sha256_of(weights) != recorded.record.weights_sha256:
        message = f"{where}: the weights do not have the SHA-256 of the record"
        raise WorkFailedError(message)
    return weights


def _load(record: "TrialRecord", weights: bytes, fold: int | None) -> "LightningModule":
    if record.trial.model.class_path is None:
        from pipeline.learning.modules.build import load_network

        return load_network(record, weights, fold=fold)
    from pipeline.learning.custom.load import load_module

    return load_module(record, weights, fold=fold)
