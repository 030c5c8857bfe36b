"""What is wrong with a study, told in one sentence for its author."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.config.frozen import OutOfLimitsError, shown
from pipeline.config.keep_prob import dropout_key, keep_key, to_drop
from pipeline.config.limits import Limits
from pipeline.config.models import MODELS
from pipeline.config.schema import for_document
from pipeline.errors import BadInputError

Location = Sequence[int | str]


def explain(
    error: ValidationError, document: Mapping[str, Any], schema: Mapping[str, Any], where: str
) -> BadInputError:
    """Turn the first of pydantic's errors into one sentence.

    Args:
        error: What pydantic found.
        document: The study as it was given; its own words are used.
        schema: Its JSON schema; the limits are read from it.
        where: The file.
    """
    first = error.errors(include_url=False)[0]
    location, limits = _without_tags(first["loc"]), Limits(for_document(schema, document))
    cause = first.get("ctx", {}).get("error")
    match first["type"]:
        case "value_error" if isinstance(cause, OutOfLimitsError):
            location = (*location, *_parts(cause.key))
            got, expected = cause.got, cause.expected
        case "extra_forbidden":
            location = (*_without_tags(first["loc"][:-1]), first["loc"][-1])
            got, expected = _unknown(location), _nearest(location, limits)
        case "missing":
            got, expected = "nothing", limits.words(location)
        case _:
            got, expected = shown(first["input"]), limits.words(location, first["input"])
    return _in_own_words(document, location, got, expected, where)


def _without_tags(location: Location) -> Location:
    """Leave out the tags of unions and of single layers, which are no keys: ``(range)``."""
    return tuple(part for part in location if not str(part).startswith("("))


def _parts(key: str) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in key.split(".") if part]


def _unknown(location: Location) -> str:
    """Say what an unknown key is; which models have it, where others do."""
    section, key = location[0], dropout_key(str(location[-1]))
    owners = [name for name, model in MODELS.items() if model.parameters.find(key)]
    is_parameter = section == "space" and len(location) == len(("space", key)) and owners
    return f"an unknown key ({', '.join(owners)} has it)" if is_parameter else "an unknown key"


def _nearest(location: Location, limits: Limits) -> str:
    known = limits.keys(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return repr(near[0]) if near else f"one of {', '.join(dict.fromkeys(known))}"


def _in_own_words(
    document: Mapping[str, Any], location: Location, got: str, expected: str, where: str
) -> BadInputError:
    """Say ``keep_prob`` where the file does, though it was turned into ``dropout``."""
    keys: list[str] = []
    here: Any = document
    for part in location:
        kept = keep_key(str(part))
        named = kept if isinstance(here, Mapping) and part not in here and kept in here else part
        keys.append(str(named))
        here = _below(here, named)
    is_renamed = keys != [str(part) for part in location]
    is_kept = is_renamed and (isinstance(location[-1], int) or keys[-1] != location[-1])
    if is_kept and isinstance(here, int | float) and got == shown(to_drop(here)):
        got = f"{shown(here)} (dropout {got})"
    return BadInputError(where=where, key=".".join(keys), got=got, expected=expected)


def _below(section: Any, key: int | str) -> Any:
    match section:
        case Mapping():
            return section.get(key)
        case list() | tuple() if isinstance(key, int) and key < len(section):
            return section[key]
    return None
