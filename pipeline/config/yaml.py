"""The text of a study file: YAML without surprises, and ``--set KEY=VALUE`` applied to it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.config.messages import shown
from pipeline.errors import BadInputError

LARGEST_FILE_BYTES: Final = 1_000_000
LARGEST_NODES: Final = 20_000
LARGEST_DEPTH: Final = 50
LARGEST_DIGITS: Final = 100
LONGEST_PATH: Final = 20
"""No key of a study lies so deep."""
TEXT_TAGS: Final = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


class YamlFaultError(yaml.MarkedYAMLError):
    """A fault that only this reader refuses, in the form of YAML's errors.

    Args:
        problem: What was found.
        node: Where.
    """

    def __init__(self, problem: str, node: yaml.Node) -> None:
        super().__init__(None, None, problem, node.start_mark)


class StudyLoader(yaml.SafeLoader):
    """YAML 1.1's safe loader, with ``1e-4`` a number, a date a text, and each key a text, once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the base class's signature
        """Build a map; each key is a text and is given once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in TEXT_TAGS:
                problem = f"keys must be texts, not {_source(key)}"
                raise YamlFaultError(problem, key)
            if key.value in seen:
                problem = f"the key {key.value!r} is given twice"
                raise YamlFaultError(problem, key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        """Build a whole number that can be written out again."""
        if len(node.value) > LARGEST_DIGITS:
            problem = f"a number has {len(node.value)} digits"
            raise YamlFaultError(problem, node)
        return int(self.construct_yaml_int(node))


StudyLoader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
StudyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
StudyLoader.add_constructor("tag:yaml.org,2002:int", StudyLoader.construct_whole)


def read_text(path: Path) -> str:
    """Read a study file of a size that a person writes.

    Raises:
        BadInputError: It cannot be read, is too large, or is no text.
    """
    try:
        if path.is_fifo():
            raise _unreadable(path, "a pipe")  # it may never begin
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise _unreadable(path, (error.strerror or type(error).__name__).lower()) from None
    except ValueError:
        raise _unreadable(path, "bytes that are not UTF-8 text") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise _unreadable(path, "a larger file")
    return text


def parse(text: str, where: str) -> Any:
    """Turn YAML into plain values.

    Args:
        text: One YAML document.
        where: What errors call it.

    Raises:
        BadInputError: It is empty, no YAML, or YAML with tags, doubled keys or too many values.
    """
    try:
        return _constructed(text, where)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}" if mark else ""
        problem = ": ".join(filter(None, (error.context, error.problem)))
        raise BadInputError(where=where, key=line, problem=f"not valid: {problem}") from None
    except yaml.YAMLError as error:
        problem = f"not valid: {str(error).splitlines()[0]}"
        raise BadInputError(where=where, problem=problem) from None
    except ValueError as error:
        raise BadInputError(where=where, problem=f"a value cannot be read: {error}") from None


def _constructed(text: str, where: str) -> Any:
    _check_events(text, where)
    loader = StudyLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise BadInputError(where=where, problem="the file is empty")
        _refuse_bombs(node, where)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_events(text: str, where: str) -> None:
    """Check the events of the parser before anything is built, and read no further than needed."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        tag = getattr(event, "tag", None)
        if tag is not None:
            mark = event.start_mark
            line = f"line {mark.line + 1}" if mark else ""
            problem = f"YAML tags such as {tag!r} are not allowed"
            raise BadInputError(where=where, key=line, problem=problem)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > LARGEST_DEPTH:
            problem = f"maps or lists are nested deeper than {LARGEST_DEPTH} levels"
            raise BadInputError(where=where, problem=problem)
        if number > 2 * LARGEST_NODES:  # a map or list has a start and an end
            raise _too_many(where)


def _refuse_bombs(root: yaml.Node, where: str) -> None:
    """Count the values with every alias written out, and stop before they fill the memory."""
    pending, n_seen = [root], 0
    while pending:
        node = pending.pop()
        n_seen += 1
        if n_seen > LARGEST_NODES:
            raise _too_many(where)
        for child in node.value if not isinstance(node, yaml.ScalarNode) else ():
            pending.extend(child if isinstance(child, tuple) else (child,))


def _too_many(where: str) -> BadInputError:
    problem = f"more than {LARGEST_NODES:,} values, aliases expanded"
    return BadInputError(where=where, problem=problem)


def _source(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else "a map or list"


def _unreadable(path: Path, got: str) -> BadInputError:
    expected = f"a readable study file (YAML) of at most {LARGEST_FILE_BYTES:,} bytes"
    return BadInputError(where=str(path), got=got, expected=expected)


def override(document: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """Replace one value of a study document.

    Args:
        document: The study's sections; it is not changed.
        assignment: ``KEY=VALUE`` with a dotted key; the value is YAML, and an empty one is null. A
            key of the document that has dots itself (``net.dropout``) is found as it is written.

    Raises:
        BadInputError: It has no key or no ``=``, or the key leads nowhere.
    """
    key, equals, text = assignment.partition("=")
    path = key.split(".")
    if not equals or not all(path) or len(path) > LONGEST_PATH:
        expected = "KEY=VALUE, for example training.epochs=5"
        raise BadInputError(where="--set", got=repr(assignment), expected=expected)
    value = parse(text, f"--set {key}") if text.strip() else None
    changed: dict[str, Any] = _replaced(document, path, value, key)
    return changed


def _replaced(section: Any, path: list[str], value: Any, key: str) -> Any:
    if not path:
        return value
    if isinstance(section, list):
        first, *rest = path
        index = _index(section, first, key)
        changed = _replaced(section[index], rest, value, key)
        return [*section[:index], changed, *section[index + 1 :]]
    if section is not None and not isinstance(section, Mapping):
        problem = f"there is no such key: {shown(section)} is a value"
        raise BadInputError(where="--set", key=key, problem=problem)
    inner = dict(section or {})
    longer = range(len(path), 1, -1)
    end = next((end for end in longer if ".".join(path[:end]) in inner), 1)
    first, rest = ".".join(path[:end]), path[end:]
    return inner | {first: _replaced(inner.get(first), rest, value, key)}


def _index(section: list[Any], part: str, key: str) -> int:
    is_number = part.isascii() and part.isdecimal() and len(part) <= len(str(len(section)))
    if is_number and int(part) < len(section):
        return int(part)
    expected = f"an index below {len(section)}, the length of the list"
    raise BadInputError(where="--set", key=key, got=repr(part), expected=expected)
