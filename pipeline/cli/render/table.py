"""Tables and lines: how wide they are, and how a text from elsewhere stands in them."""

import sys
from collections.abc import Mapping, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import visible

NARROWEST = 80


def params_text(params: Mapping[str, object]) -> str:
    """Put parameters into a line; those of the layers are grouped: ``dropout 0.25/0.1``."""
    return ", ".join(f"{name} {text}" for name, text in grouped_params(params).items())


def grouped_params(params: Mapping[str, object], digits: int = 3) -> dict[str, str]:
    """Parameters as texts by name; those of the layers are one: ``{"dropout": "0.25/0.1"}``."""
    shown: dict[str, list[str]] = {}
    for name, value in params.items():
        kind, _, layer = name.rpartition("_")
        text = f"{value:.{digits}g}" if isinstance(value, float) else str(value)
        shown.setdefault(kind if layer.isdecimal() else name, []).append(text)
    return {name: "/".join(texts) for name, texts in shown.items()}


def shared_names(settings: Sequence[Mapping[str, object]]) -> set[str]:
    """The parameters that several settings all have with one value."""
    names = set().union(*settings)
    return {
        name
        for name in names
        if len({params.get(name) for params in settings}) == 1 < len(settings)
    }


def plain(text: str) -> str:
    """Keep rich from reading a cause or a name as markup, and a terminal as a command."""
    return visible(text).replace("[", r"\[")


def wrapped(line: str, width: int) -> list[str]:
    """Break a line at its spaces where it is too wide; what follows is indented below it."""
    line = visible(line)
    indent = len(line) - len(line.lstrip()) + 2
    first, *rest = Text(line).wrap(Console(width=width), width) or [Text()]
    if not rest:
        return [first.plain.rstrip()]
    room = max(width - indent, 1)
    following = Text(line[len(first.plain) :].lstrip()).wrap(Console(width=room), room)
    return [first.plain.rstrip(), *(" " * indent + one.plain.rstrip() for one in following)]


def drawn(table: Table) -> str:
    """Draw a table as wide as the terminal, and never wrapped where there is none."""
    text = StringIO()
    width = max(Console().width, NARROWEST) if sys.stdout.isatty() else 10_000
    Console(file=text, width=width).print(table)
    return text.getvalue().rstrip()
