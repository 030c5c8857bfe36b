"""The record's file: parsed, or refused with what is wrong about it."""

import json
from importlib.metadata import version
from typing import Final

from mlflow.entities import Run
from pydantic import ValidationError

from pipeline.errors import WorkFailedError
from pipeline.tracking import names
from pipeline.trial import TrialRecord

LARGEST_RECORD_BYTES: Final = 10_000_000
DISTRIBUTION: Final = "dropout-search"


def parse_record(run: Run, content: bytes) -> TrialRecord:
    """Read a trial's record from its file.

    Raises:
        WorkFailedError: It is damaged, or another trial's.
    """
    try:
        record = TrialRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise _unreadable(run, reason, content) from None
    trial = record.trial
    said = {
        names.STUDY: trial.study,
        names.TRIAL_NUMBER: str(trial.number),
        names.REPEAT: str(trial.repeat),
    }
    if any(run.data.tags.get(name, text) != text for name, text in said.items()):
        raise damaged(run, f"it is the record of trial {trial.number} of {trial.study!r}")
    return record


def _unreadable(run: Run, reason: str, content: bytes) -> WorkFailedError:
    """A record that this version cannot read: another version's, or damaged."""
    ours, theirs = version(DISTRIBUTION), _version_of(content)
    if theirs in (None, ours):
        return damaged(run, reason)
    return WorkFailedError(
        f"run {run.info.run_id} ({run.info.run_name}): {names.RECORD} was written by version "
        f"{theirs} and cannot be read by {ours}: {reason}"
    )


def _version_of(content: bytes) -> str | None:
    try:
        return str(json.loads(content)["facts"]["project_version"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def damaged(run: Run, reason: str, name: str = names.RECORD) -> WorkFailedError:
    """Tell that a run's file is not what was written."""
    return WorkFailedError(
        f"run {run.info.run_id} ({run.info.run_name}): {name} is damaged: {reason}"
    )
