"""Trials read back from MLflow alone: neither a study file nor Optuna's store is needed."""

import hashlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final, Literal

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from pydantic import ValidationError

from pipeline.config import Resources
from pipeline.errors import BadInputError, WorkFailedError, first_line, without_password
from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, explained
from pipeline.tracking.points import param_value, read_curve
from pipeline.trial import (
    WEIGHTS_LEFT_OUT,
    Curve,
    RecordedTrial,
    TrialRecord,
    TrialRow,
    TrialState,
    find_best,
)

LARGEST_RECORD_BYTES: Final = 10_000_000
DISTRIBUTION: Final = "dropout-search"
LARGEST_WEIGHTS_BYTES: Final = 16 * 2**30
BEGIN_OF_ID: Final = re.compile(r"[0-9a-f]{1,31}")
SHOWN_RUNS: Final = 5
"""So many of the runs that begin alike are named."""
A_RUN: Final = (
    "the run id of a trial, as `pipeline show STUDY` lists them, or of what `confirm` or "
    "`refit` trained"
)
RECORDED = (names.TRIAL_NUMBER, names.CONFIRMS, names.REFITS)
"""Tags of runs that have a record."""


@explained
def read_trial(tracking_uri: str, study: str, number: int | Literal["best"]) -> RecordedTrial:
    """Read one trial of a study, or its best, as ``find_best`` finds it.

    Raises:
        BadInputError: There is no such study or trial, or the trial is not finished.
        WorkFailedError: The trial's record is damaged.
    """
    client = connect(tracking_uri)
    trials = _trials(client, study, without_password(tracking_uri))
    number = _best_number(trials, study) if number == "best" else number
    if number not in trials:
        raise BadInputError(
            where=f"study {study!r}",
            key="trial",
            got=str(number),
            expected=_numbers_of(sorted(trials)),
        )
    return _recorded(client, trials[number], tracking_uri)


@explained
def read_run(tracking_uri: str, run_id: str) -> RecordedTrial:
    """Read one trial by the id of its run, or what ``confirm`` or ``refit`` trained.

    Args:
        tracking_uri: MLflow's address.
        run_id: Its first digits are enough where no other run begins with them.

    Raises:
        BadInputError: There is no such run, or there are several, it has no record, or it is not
            finished.
        WorkFailedError: The trial's record is damaged.
    """
    client = connect(tracking_uri)
    run = _find_run(client, run_id, without_password(tracking_uri))
    if run.data.tags.keys().isdisjoint(RECORDED):
        got = f"the run {run.info.run_name!r}"
        raise BadInputError(where=f"run {run_id}", got=got, expected=A_RUN)
    return _recorded(client, run, tracking_uri)


def _find_run(client: MlflowClient, run_id: str, where: str) -> Run:
    """Find a run by its id or the first digits of it."""
    if BEGIN_OF_ID.fullmatch(run_id):
        return _only_run(client, run_id, where)
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        raise BadInputError(where=where, got=first_line(error), expected=A_RUN) from None


def _only_run(client: MlflowClient, begin: str, where: str) -> Run:
    """Find the one run whose id begins so.

    Raises:
        BadInputError: There is none, or there are several; those are named.
    """
    experiments = [one.experiment_id for one in client.search_experiments()]
    condition = f"attributes.run_id LIKE '{begin}%'"
    found = list(client.search_runs(experiments, condition, max_results=SHOWN_RUNS + 1))
    if len(found) == 1:
        return found[0]
    if not found:
        got = f"{begin!r}, which begins no run id and names no study"
        raise BadInputError(where=where, got=got, expected=A_RUN)
    named = [f"{run.info.run_id} ({run.info.run_name})" for run in found[:SHOWN_RUNS]]
    more = ["and others"] * (len(found) > SHOWN_RUNS)
    expected = f"more digits, to choose one of: {', '.join([*named, *more])}"
    got = f"{begin!r}, with which several run ids begin"
    raise BadInputError(where=where, got=got, expected=expected)


@explained
def has_study(tracking_uri: str, name: str) -> bool:
    """Whether a study has this name."""
    experiment = connect(tracking_uri).get_experiment_by_name(name)
    return experiment is not None and not runs.is_deleted(experiment)


@explained
def read_resources(trial: RecordedTrial) -> Resources:
    """Read what a worker took when a trial's study was run last; by default one processor.

    Raises:
        WorkFailedError: The tag of the study's run was changed.
    """
    client = connect(trial.tracking_uri)
    run = runs.study_run(client, client.get_run(trial.run_id).info.experiment_id)
    said = run.data.tags.get(names.RESOURCES) if run else None
    if run is None or said is None:
        return Resources()
    try:
        return Resources.model_validate_json(said)
    except ValidationError:
        raise damaged(run, "these are no resources", f"tag {names.RESOURCES}") from None


@explained
def read_rows(tracking_uri: str, study: str) -> tuple[TrialRow, ...]:
    """Read a study's table, ordered by number.

    Raises:
        BadInputError: There is no such study.
    """
    client = connect(tracking_uri)
    trials = _trials(client, study, without_password(tracking_uri))
    return tuple(row_of(number, trials[number]) for number in sorted(trials))


@explained
def read_curves(tracking_uri: str, study: str) -> dict[int, Curve]:
    """Read the curve of every trial of a study, by number; a trial that failed has what it had.

    Raises:
        BadInputError: There is no such study.
        WorkFailedError: A record, which names a trial's scores, is damaged.
    """
    client = connect(tracking_uri)
    trials = _trials(client, study, without_password(tracking_uri))
    ended = {number: run for number, run in sorted(trials.items()) if is_finished(run)}
    return {
        number: read_curve(client, run.info.run_id, read_record(client, run)[0])
        for number, run in ended.items()
    }


def _trials(client: MlflowClient, study: str, where: str) -> dict[int, Run]:
    """A study's trial runs by number."""
    return dict(runs.trial_runs(client, find_study_run(client, study, where)))


def find_study_run(client: MlflowClient, study: str, where: str) -> Run:
    """Find the run of a study itself.

    Raises:
        BadInputError: There is no such study; ``where`` is the address that it names.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is not None and not runs.is_deleted(experiment):
        found = runs.study_run(client, experiment.experiment_id)
        if found is not None:
            return found
    known = ", ".join(sorted(studies(client))) or "none yet"
    raise BadInputError(where=where, key="study", got=repr(study), expected=f"one of: {known}")


def studies(client: MlflowClient) -> Iterator[str]:
    """Yield the names of all studies."""
    for experiment in client.search_experiments():
        if runs.study_run(client, experiment.experiment_id):
            yield str(experiment.name)


def _best_number(trials: dict[int, Run], study: str) -> int:
    best = find_best([row_of(number, run) for number, run in trials.items()])
    if best is None:
        got = f"'best' among {len(trials)} trials of which none is complete"
        expected = "a study with a complete trial"
        raise BadInputError(where=f"study {study!r}", key="trial", got=got, expected=expected)
    return best.number


def _numbers_of(numbers: list[int]) -> str:
    if not numbers:
        return "a study that has trials"
    if len(numbers) == numbers[-1] - numbers[0] + 1:
        return f"'best' or a number from {numbers[0]} to {numbers[-1]}"
    return f"'best' or one of {', '.join(map(str, numbers[:20]))}"


def _state(run: Run) -> TrialState:
    tag = run.data.tags.get(names.TRIAL_STATE, "")
    return TrialState(tag) if tag in set(TrialState) else TrialState.WAITING


def _recorded(client: MlflowClient, run: Run, tracking_uri: str) -> RecordedTrial:
    if not is_finished(run):
        got = f"a trial that is {run.data.tags.get(names.TRIAL_STATE, run.info.status)}"
        where = f"run {run.info.run_id} ({run.info.run_name})"
        raise BadInputError(where=where, key="trial", got=got, expected="a finished trial")
    record, record_sha256 = read_record(client, run)
    return RecordedTrial(
        tracking_uri=tracking_uri,
        run_id=run.info.run_id,
        run_name=run.info.run_name,
        record=record,
        record_sha256=record_sha256,
        curve=read_curve(client, run.info.run_id, record),
        weights=_weights(client, run, record),
        tags=run.data.tags,
        is_refit=names.REFITS in run.data.tags,
    )


def is_finished(run: Run) -> bool:
    """Whether a run is finished: a repeat or a refit has no Optuna trial, so its status decides."""
    if names.TRIAL_NUMBER in run.data.tags:
        return _state(run).is_finished
    return run.info.status in ("FINISHED", "FAILED")


def read_record(client: MlflowClient, run: Run) -> tuple[TrialRecord, str]:
    """Read a run's record, and the digest of its file.

    Raises:
        WorkFailedError: It is missing or damaged.
    """
    content = _content(client, run, names.RECORD, LARGEST_RECORD_BYTES)
    return parse_record(run, content), hashlib.sha256(content).hexdigest()


def _weights(client: MlflowClient, run: Run, record: TrialRecord) -> bytes | None:
    if record.weights_sha256 is None or WEIGHTS_LEFT_OUT in run.data.tags:
        return None
    return _content(client, run, names.WEIGHTS, LARGEST_WEIGHTS_BYTES)


def _content(client: MlflowClient, run: Run, name: str, largest: int) -> bytes:
    try:
        return runs.read(client, run.info, name, largest=largest)
    except (MlflowException, OSError) as error:
        reason = f"it is missing or cannot be read: {first_line(error)}"
        raise damaged(run, reason, name) from None


def row_of(number: int, run: Run) -> TrialRow:
    """Build a line from tags, params and metrics alone: a table of 1,000 reads no file."""
    state, tags, metrics = _state(run), run.data.tags, run.data.metrics
    best_epoch, n_parameters = metrics.get(names.BEST_EPOCH), metrics.get(names.N_PARAMETERS)
    objective = names.objective_of(tags)
    return TrialRow(
        number=number,
        state=state,
        value=metrics.get(names.best_score(objective)) if state is TrialState.COMPLETE else None,
        best_epoch=None if best_epoch is None else int(best_epoch),
        params={name: param_value(text) for name, text in run.data.params.items()},
        run_id=run.info.run_id,
        weights_sha256=tags.get(names.WEIGHTS_SHA256),
        cause=tags.get(names.CAUSE),
        warning=tags.get(names.WARNING),
        finalist=runs.finalist_of(tags),
        n_parameters=None if n_parameters is None else int(n_parameters),
        objective=objective,
    )


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
