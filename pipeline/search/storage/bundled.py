"""A study's trials on their way out of Optuna's storage and into another one.

They arrive as a copy under a name that no study can have (``storage.COPY``), which counts from the
moment on that it is whole: a process that is killed before that leaves no study.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from pipeline.config import Finalist, StudyConfig
from pipeline.errors import BadInputError, first_line
from pipeline.search.sampling.distributions import all_distributions
from pipeline.search.storage.lease import Lease
from pipeline.search.storage.opening import (
    COPY,
    IS_WHOLE,
    explained,
    finish_replacement,
    stored_name,
)
from pipeline.search.storage.store import TrialStore
from pipeline.search.storage.stored_trial import EARLIER, FINALIST, INACTIVE
from pipeline.trial import BundledStudy, BundledTrial, TrialState

RESULTS = ("best_epoch", "weights_sha256", "cause", "warning", "n_parameters")
"""Attributes of a trial that has ended."""


@explained
def read_trials(storage: BaseStorage, name: str) -> tuple[BundledTrial, ...]:
    """Read a study's trials by number.

    Args:
        storage: From ``open_storage``.
        name: The study's name; it must be there.
    """
    stored = stored_name(storage, name)
    assert stored is not None, "the caller has opened it"  # noqa: S101
    study_id = storage.get_study_id_from_name(stored)
    return tuple(map(_bundled, storage.get_all_trials(study_id, deepcopy=False)))


def _bundled(trial: FrozenTrial) -> BundledTrial:
    said: Mapping[str, Any] = trial.user_attrs
    finalist = said.get(FINALIST)
    return BundledTrial(
        number=trial.number,
        state=TrialState(trial.state.name),
        params=trial.params,
        inactive=json.loads(said.get(INACTIVE, "{}")),
        value=trial.values[0] if trial.values else None,
        scores=tuple(score for _, score in sorted(trial.intermediate_values.items())),
        finalist=Finalist.model_validate(finalist) if finalist else None,
        earlier=tuple(attempt["cause"] for attempt in said.get(EARLIER, ())),
        began=trial.datetime_start,
        ended=trial.datetime_complete,
        **{name: said.get(name) for name in RESULTS},
    )


def frozen_trials(
    study: StudyConfig,
    trials: Sequence[BundledTrial],
    run_ids: Mapping[int, str],
    *,
    where: str,
) -> list[FrozenTrial]:
    """Build the trials as Optuna holds them; its distributions follow from the study file.

    Args:
        study: The study file.
        trials: By number.
        run_ids: The MLflow run of each trial that has one.
        where: What an error names.

    Raises:
        BadInputError: A trial lies outside the study's space, or is none that Optuna could hold.
    """
    distributions = all_distributions(study)
    built = []
    for trial in trials:
        try:
            run_id = run_ids.get(trial.number)
            active = {name: distributions[name] for name in study.space.active(trial.params)}
            one = create_trial(
                state=OptunaState[trial.state.name],
                value=trial.value,
                params={name: trial.params[name] for name in trial.params},
                distributions=active,
                user_attrs=_attributes(trial, run_id),
                intermediate_values=dict(enumerate(trial.scores, start=1)),
            )
        except (ValueError, KeyError, TypeError) as error:
            problem = f"trial {trial.number} is none of the study's space ({first_line(error)})"
            raise BadInputError(where=where, problem=problem) from None
        one.datetime_start, one.datetime_complete = trial.began, trial.ended
        built.append(one)
    return built


def _attributes(trial: BundledTrial, run_id: str | None) -> dict[str, Any]:
    """A trial's attributes; runs of earlier attempts stay in the home where they were made."""
    attributes: dict[str, Any] = {INACTIVE: json.dumps(trial.inactive)}
    if trial.finalist:
        attributes[FINALIST] = trial.finalist.model_dump()
    if trial.earlier:
        attributes[EARLIER] = [{"cause": cause, "run_id": None} for cause in trial.earlier]
    if run_id is not None:
        attributes["run_id"] = run_id
    if trial.state.is_finished:
        attributes |= {name: getattr(trial, name) for name in RESULTS}
    return attributes


@explained
def write_copy(
    storage: BaseStorage,
    study: StudyConfig,
    bundled: BundledStudy,
    trials: Sequence[FrozenTrial],
    lease: Lease | None = None,
) -> TrialStore:
    """Write a study under a name at which nobody looks, in place of what a killed process left.

    Args:
        storage: From ``open_storage``; it has no study of this name.
        study: The study file.
        bundled: What its search had come to.
        trials: From ``frozen_trials``.
        lease: By which the study is held in a storage that several homes share.
    """
    finish_replacement(storage, study.name, _keep(lease))
    copy = f"{study.name}{COPY}"
    direction = StudyDirection[study.objective.direction.upper()]
    study_id = storage.create_new_study([direction], copy)
    store = TrialStore(storage, copy, lease)
    store.describe(study, bundled.warm_start)
    if bundled.settled:
        store.note_settled(bundled.settled)
    if bundled.n_acknowledged:
        storage.set_study_user_attr(study_id, "n_acknowledged", bundled.n_acknowledged)
    for trial in trials:
        storage.create_new_trial(study_id, trial)
    return store


@explained
def publish_copy(storage: BaseStorage, name: str, lease: Lease | None = None) -> None:
    """Let the copy be the study: from now on everybody sees it, whatever happens."""
    keep = _keep(lease)
    keep()
    study_id = storage.get_study_id_from_name(f"{name}{COPY}")
    storage.set_study_user_attr(study_id, IS_WHOLE, value=True)
    finish_replacement(storage, name, keep)


def _keep(lease: Lease | None) -> Callable[[], None]:
    return lease.keep if lease else _nothing


def _nothing() -> None:
    """The home's lock guards a storage that only this home uses."""
