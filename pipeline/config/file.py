"""Read a study file from disk: YAML without surprises, and one clear error where it is wrong."""

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.config.study import StudyConfig
from pipeline.errors import BadInputError

LARGEST_FILE_BYTES = 1_000_000
LARGEST_NODES = 20_000
UNION_TAGS = {
    *("value", "range", "choices", "fraction", "rows"),
    *("width_of_layer", "dropout_of_layer"),
}


class StudyLoader(yaml.SafeLoader):
    """YAML 1.1's safe loader, with ``1e-4`` a number and a doubled key an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the base class's signature
        """Build a map; each key may stand once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                message = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


StudyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def load_study(path: Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read and check a study file.

    Args:
        path: The YAML file.
        overrides: ``KEY=VALUE`` with a dotted key, as ``--set`` gives them; the value is YAML.

    Raises:
        BadInputError: The file cannot be read, or a value in it is wrong.
    """
    document = _parse(_read(path), str(path))
    if not isinstance(document, Mapping):
        raise BadInputError(
            where=str(path), got=_name(document), expected="a map of the study's sections"
        )
    changed = dict(document)
    for override in overrides:
        changed = _apply(changed, override)
    return check_study(changed, str(path))


def check_study(document: Mapping[str, Any], where: str) -> StudyConfig:
    """Check a study given as plain values.

    Raises:
        BadInputError: Naming the first wrong key, its value and its limit.
    """
    try:
        return StudyConfig.model_validate(document)
    except ValidationError as error:
        raise _explain(error, document, where) from None


def digest(study: StudyConfig) -> str:
    """SHA-256 over everything in a study file but the number of trials, which may grow."""
    document = study.document
    del document["search"]["trials"]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name each dotted key whose value is not the same in two study documents."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    keys = [key for key in [*before, *(after.keys() - before.keys())] if key != "search.trials"]
    return [
        f"{key}: {before.get(key, 'not set')} → {after.get(key, 'not set')}"
        for key in keys
        if before.get(key, "not set") != after.get(key, "not set")
    ]


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise BadInputError(
                where=str(path),
                got=f"a file of {path.stat().st_size} bytes",
                expected=f"a study file of at most {LARGEST_FILE_BYTES} bytes",
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are not UTF-8 text"
        raise BadInputError(
            where=str(path), got=reason, expected="a readable study file (YAML)"
        ) from None


def _parse(text: str, where: str) -> Any:
    loader = StudyLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise BadInputError(where=where, got="an empty file", expected="a study file (YAML)")
        _refuse_bombs(node, where)
        _refuse_tags(text, where)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise BadInputError(where=where, got=_first_line(error), expected="plain YAML") from None
    except (ValueError, RecursionError) as error:
        got = str(error).split(";", maxsplit=1)[0] or "maps nested too deeply"
        raise BadInputError(where=where, got=got, expected="plain YAML") from None
    finally:
        loader.dispose()


def _refuse_bombs(root: yaml.Node, where: str) -> None:
    """Count the values with every alias written out, and stop before they fill the memory."""
    pending, seen = [root], 0
    while pending:
        node = pending.pop()
        seen += 1
        if seen > LARGEST_NODES:
            raise BadInputError(
                where=where,
                got=f"more than {LARGEST_NODES} values, aliases written out",
                expected="a study file of at most so many",
            )
        for child in node.value if not isinstance(node, yaml.ScalarNode) else ():
            pending.extend(child if isinstance(child, tuple) else (child,))


def _refuse_tags(text: str, where: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        tag = getattr(event, "tag", None)
        if tag is not None:
            line = event.start_mark.line + 1
            raise BadInputError(
                where=where, got=f"the YAML tag {tag!r} in line {line}", expected="plain values"
            )


def _first_line(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} in line {mark.line + 1}" if mark else str(problem)


def _apply(document: Mapping[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise BadInputError(
            where="--set", got=repr(override), expected="KEY=VALUE, for example training.epochs=5"
        )
    value = _parse(text, f"--set {key}") if text.strip() else None
    return _replace(document, key.split("."), value, key)


def _replace(section: Any, path: list[str], value: Any, key: str) -> Any:
    if not path:
        return value
    if isinstance(section, list) and path[0].isdigit() and int(path[0]) < len(section):
        index = int(path[0])
        changed = _replace(section[index], path[1:], value, key)
        return [*section[:index], changed, *section[index + 1 :]]
    if section is not None and not isinstance(section, Mapping):
        raise BadInputError(
            where="--set", key=key, got=f"a key below {section!r}", expected="a key of the study"
        )
    section = dict(section or {})
    return section | {path[0]: _replace(section.get(path[0]), path[1:], value, key)}


def _explain(error: ValidationError, document: Mapping[str, Any], where: str) -> BadInputError:
    """Turn the first of pydantic's errors into one sentence."""
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if part not in UNION_TAGS or part == "choices"]
    key = ".".join(str(part) for part in _unrepeated(location))
    message = str(first["msg"]).removeprefix("Value error, ")
    got = _short(first["input"])
    match first["type"]:
        case "extra_forbidden":
            return BadInputError(
                where=where, key=key, got="an unknown key", expected=_nearest(location)
            )
        case "missing":
            return BadInputError(where=where, key=key, got="nothing", expected="a value")
        case "value_error":
            return _said(message, where, key)
        case "model_type" | "dict_type" | "model_attributes_type":
            return BadInputError(where=where, key=key, got=got, expected="a map")
        case "tuple_type" | "list_type":
            return BadInputError(where=where, key=key, got=got, expected="a list")
        case "too_short":
            return BadInputError(where=where, key=key, got=got, expected="at least one value")
        case "string_pattern_mismatch":
            expected = "letters, digits, '.', '_' and '-', at most 100, a letter or digit first"
            return BadInputError(where=where, key=key, got=got, expected=expected)
    expected = message.removeprefix("Input should be ")
    return BadInputError(where=where, key=key, got=got, expected=expected)


def _unrepeated(location: Sequence[int | str]) -> Iterator[int | str]:
    """Drop the union's own tag ``choices`` where the key of that name follows it."""
    for place, part in enumerate(location):
        follows = list(location[place + 1 : place + 2]) == ["choices"]
        if part != "choices" or not follows:
            yield part


def _said(message: str, where: str, key: str) -> BadInputError:
    """Take apart a validator's own sentence: ``key: got VALUE, expected LIMIT``."""
    left, comma, expected = message.partition(", expected ")
    named, colon, got = left.partition(": got ")
    if colon:
        inner = named if not key or "." in named else f"{key}.{named}"
        return BadInputError(where=where, key=inner, got=got, expected=expected)
    return BadInputError(
        where=where, key=key, got=left, expected=expected if comma else "a valid value"
    )


KNOWN_KEYS = {
    "": ("name", "question", "data", "model", "space", "training", "search", "trials"),
    "data": ("name", "validation", "test"),
    "model": ("name",),
    "space": (
        *("depth", "width", "input_dropout", "dropout", "batch_size", "learning_rate"),
        *("weight_decay", "keep_prob", "input_keep_prob", "width_1", "dropout_1"),
    ),
    "training": ("epochs", "early_stopping", "optimizer", "precision", "threads", "device"),
    "training.early_stopping": ("patience",),
    "search": ("trials", "sampler", "stopping", "seed", "block", "max_seconds"),
}
RANGE_KEYS = ("low", "high", "log", "step", "choices", "per_layer")


def _nearest(location: Sequence[int | str]) -> str:
    *section, wrong = (str(part) for part in location)
    known = KNOWN_KEYS.get(".".join(section), RANGE_KEYS)
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"{near[0]!r}?" if near else f"one of {', '.join(known)}"


def _name(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "nothing"}.get(type(value), repr(value))


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return f"a map with {', '.join(str(key) for key in list(value)[:6]) or 'nothing in it'}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
