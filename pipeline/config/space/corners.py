"""The corners of a space: the smallest and largest models, extreme batches, each word once."""

from typing import Any

from pipeline.config.frozen import Params
from pipeline.config.space.domain import Choices, Domain, values_of
from pipeline.config.space.usual import usual_setting
from pipeline.config.study import StudyConfig

BATCH_SIZE = "batch_size"


def corner_settings(study: StudyConfig) -> dict[str, Params]:
    """Name the corners of a space, with the active parameters of each.

    What shapes no network has its usual value: it decides neither memory nor time. Of a user's
    class nobody knows what does, so each number goes to its ends.

    Args:
        study: Its space.
    """
    usual = usual_setting(study)
    small, large = (
        usual | {name: _end(one, end) for name, one in _shaping(study).items()} for end in (0, -1)
    )
    found = {"the smallest model": small, "the largest model": large}
    if BATCH_SIZE in usual:
        found["the largest model, smallest batches"] = large | {BATCH_SIZE: small[BATCH_SIZE]}
        found["the smallest model, largest batches"] = small | {BATCH_SIZE: large[BATCH_SIZE]}
    for name, domain in study.space.domains.items():
        for value in _texts(domain):
            found[f"{name} {value}"] = small | {name: value}
    distinct: dict[str, Params] = {}
    for title, params in found.items():
        setting = {name: params[name] for name in study.space.active(params)}
        if setting not in distinct.values():
            distinct[title] = setting
    return distinct


def _shaping(study: StudyConfig) -> dict[str, Domain]:
    table = study.space.table
    return {
        name: domain
        for name, domain in study.space.domains.items()
        if (parameter := table.find(name)) is None or parameter.is_shaping
    }


def _end(domain: Domain, end: int) -> Any:
    """The least or the largest number; of words and booleans the first."""
    values = values_of(domain, corners=True)
    return values[0] if isinstance(values[0], str | bool) else sorted(values)[end]


def _texts(domain: Domain) -> tuple[Any, ...]:
    """Words and booleans, each of which may build another network."""
    if isinstance(domain, Choices) and isinstance(domain.choices[0], str | bool):
        return domain.choices[1:]
    return ()
