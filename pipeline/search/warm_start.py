"""Which outcomes of an earlier study a new one begins with; they are taken once, and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, Final, NamedTuple

from optuna.storages import BaseStorage

from pipeline.config import (
    Params,
    Space,
    StudyConfig,
    StudyTraining,
    converted,
    differences,
    limit_of,
)
from pipeline.errors import BadInputError
from pipeline.search.sampling.known import Known, most_telling
from pipeline.search.storage.opening import study_names
from pipeline.search.storage.store import TrialStore
from pipeline.trial import TakenOutcome, TrialRow, TrialState, WarmStart

MOST_TAKEN: Final = 128
"""So many outcomes at most, the best and the latest: half of what a model knows."""
FEWEST_TAKEN: Final = 4
"""From fewer a model learns nothing."""


class _Fault(NamedTuple):
    """Why a study cannot be begun with: what it is, and what it is to be."""

    got: str
    expected: str


def find_warm_start(
    storage: BaseStorage | None, study: StudyConfig, *, where: str
) -> WarmStart | None:
    """Read what a study began with or, where it is new, take it; nothing is written.

    Args:
        storage: Where both studies are.
        study: Its search section names the other study.
        where: The study file, for errors.

    Returns:
        ``None`` where the study begins with nothing.

    Raises:
        BadInputError: The study is new, and the other one is not there, has not ended, is another
            kind of study, or has too few outcomes in the space of this one.
    """
    name, known = study.search.warm_start, TrialStore.find(storage, study.name)
    if name is None:
        return None
    if known is not None and (kept := known.warm_start):
        return kept
    found = _take(storage, study, name)
    if isinstance(found, _Fault):
        got = f"{name!r}, {found.got}"
        raise BadInputError(where=where, key="search.warm_start", got=got, expected=found.expected)
    return found


def _take(storage: BaseStorage | None, study: StudyConfig, name: str) -> WarmStart | _Fault:
    other = TrialStore.find(storage, name)
    if other is None or other.document is None:
        known = ", ".join(study_names(storage)) if storage is not None else ""
        return _Fault("which no run has made in this storage", f"one of: {known or 'none yet'}")
    if not other.is_done:
        n_trials = other.document["search"]["trials"]
        return _Fault(
            f"which has {len(other.finished())} of {n_trials} trials", "a study that has ended"
        )
    if fault := _find_unlike(other.document, study):
        return fault
    outcomes = take_outcomes(study, other.finished())
    if len(outcomes) < FEWEST_TAKEN:
        return _Fault(
            f"which has {len(outcomes)} outcomes in the space of this study",
            f"at least {FEWEST_TAKEN}",
        )
    return WarmStart(study=name, outcomes=outcomes)


def _find_unlike(document: Mapping[str, Any], study: StudyConfig) -> _Fault | None:
    """What makes a study's outcomes no outcomes of this one."""
    here = study.document
    changed = differences(_kind(document), _kind(here))
    if changed:
        return _Fault(f"where {'; '.join(changed)} here", "the same model, objective and optimizer")
    searched, wanted = _searched(document), _searched(here)
    if searched != wanted:
        return _Fault(f"which searches {searched}", f"a study that searches {wanted}")
    epochs = StudyTraining.model_validate(document["training"]).most_epochs
    least = study.training.most_epochs
    if epochs < least:
        return _Fault(f"which has {epochs} training.epochs", f"at least {least}, as many as here")
    return None


def _kind(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": document["model"],
        "objective": document.get("objective"),
        "training": {"optimizer": document["training"]["optimizer"]},
    }


def _searched(document: Mapping[str, Any]) -> str:
    """The parameters that are not fixed, in words."""
    domains = document["space"] | {"epochs": document["training"]["epochs"]}
    return ", ".join(
        f"{name} by layer" if domain["per_layer"] else name
        for name, domain in sorted(domains.items())
        if isinstance(domain, Mapping)
    )


def take_outcomes(study: StudyConfig, rows: Sequence[TrialRow]) -> tuple[TakenOutcome, ...]:
    """Choose what a study takes over of another one's trials: the best half, and the latest.

    A trial that failed is left out: why it did may lie in its data. So is one outside the space.

    Args:
        study: Its space, and its epochs: later ones do not count.
        rows: The other study's trials, ended.
    """
    known = Known()
    for row in rows:
        known.tell(_within(row, study.training.most_epochs))
    values, doubts = known.values()
    inside = {row.number: row for row in rows if _is_inside(study.space, row.params)}
    there = {number: values[number] for number in inside if isfinite(values[number])}
    return tuple(
        TakenOutcome(
            trial=number,
            params=_converted(study.space, inside[number].params),
            value=study.objective.loss(values[number]),
            doubt=doubts[number],
        )
        for number in most_telling(there, MOST_TAKEN)
    )


def _within(row: TrialRow, epochs: int) -> TrialRow:
    """A trial as it would have ended with so many epochs."""
    scores = row.scores[:epochs]
    is_whole = row.state is TrialState.PRUNED and len(scores) == epochs
    return replace(row, scores=scores, state=TrialState.COMPLETE if is_whole else row.state)


def _is_inside(space: Space, params: Params) -> bool:
    """Whether a trial of the space could have these parameters."""
    domains = space.domains
    is_allowed = all(
        name in domains and limit_of(domains[name], value) is None for name, value in params.items()
    )
    return is_allowed and set(space.active(params)) == params.keys()


def _converted(space: Space, params: Params) -> Params:
    return {name: converted(space.domains[name], value) for name, value in params.items()}
