"""Fixed trials: the settings of a study file that are tried first."""

from pipeline.config.frozen import Params
from pipeline.config.messages import InvalidValueError, at_key, shown, unknown_key
from pipeline.config.space.domain import limit_of
from pipeline.config.space.keep_prob import dropout_key, to_dropout
from pipeline.config.space.space import Space


def read_trial(space: Space, trial: Params, number: int) -> Params:
    """Check a fixed trial.

    Args:
        space: The study's.
        trial: As the study file has it.
        number: Its index among the fixed trials.

    Returns:
        The trial with ``dropout`` for ``keep_prob``.

    Raises:
        InvalidValueError: A parameter is unknown, outside the space, or none of the trial's.
    """
    read: Params = {}
    for key, value in trial.items():
        name = dropout_key(key, space.table.rates)
        with at_key(f"{number}.{key}"):
            if name in read or (name != key and name in trial):
                raise InvalidValueError(problem=f"give either {key} or {name}, not both")
            read[name] = value if name == key else to_dropout(value)
            got = shown(value) if name == key else f"{shown(value)} (dropout {shown(read[name])})"
            _check_fixed(space, name, read[name], got)
    _check_there(space, trial, read, number)
    return read


def _check_fixed(space: Space, key: str, value: object, got: str) -> None:
    names, layered = _names_of(space, key), space.layered
    if not names and not (key in layered and space.most(layered[key]) == 0):
        raise InvalidValueError(problem=unknown_key(key, [*layered, *space.domains]))
    for name in names:
        limit = limit_of(space.domains[name], value)
        if limit is not None:
            raise InvalidValueError(got=got, expected=f"{limit} (space.{name})")


def _names_of(space: Space, key: str) -> list[str]:
    """The parameters that a fixed trial's key means: ``dropout`` is that of every layer."""
    return [name for name in space.domains if name == key or _is_layer_of(space, key, name)]


def _is_layer_of(space: Space, kind: str, name: str) -> bool:
    layer = space.layer_of(name)
    return layer is not None and layer[0] == kind


def _check_there(space: Space, trial: Params, read: Params, number: int) -> None:
    """Refuse a parameter that the fixed trial, by its own values, does not have."""
    values = spread(space, read)
    for key, name in zip(trial, read, strict=True):
        if why := space.why_not(name, values):
            raise InvalidValueError(key=f"{number}.{key}", problem=why)


def spread(space: Space, trial: Params) -> Params:
    """Give each layer of a fixed trial its value."""
    return {
        name: value
        for key, value in trial.items()
        for name in _names_of(space, key)
        if name == key or name not in trial
    }
