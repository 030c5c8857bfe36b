"""How a command answers: as JSON, or as lines for people."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from pipeline.cli.pager import print_paged
from pipeline.errors import visible

COMMAND: Final = "pipeline"
OTHER_COMMAND: Final = "dropout-search"
"""The same command, for machines on which something else is called ``pipeline``."""
TYPED: Final = re.compile(rf"(?:(?<=`)|^  ){COMMAND}(?= [a-z])")
"""The command where a text says what to type."""


def command_name() -> str:
    """What this process was started as."""
    started = Path(sys.argv[0]).name.removesuffix(".py").replace("_", "-")
    return OTHER_COMMAND if started == OTHER_COMMAND else COMMAND


def as_typed(line: str) -> str:
    """A line in which the command has the name by which it was started."""
    name = command_name()
    return line if name == COMMAND else TYPED.sub(lambda one: one[0].replace(COMMAND, name), line)


def print_answer(
    answer: Mapping[str, Any], lines: Iterable[str], *, as_json: bool, is_paged: bool = False
) -> None:
    """Print an answer on stdout: as JSON, or as lines for people.

    Args:
        answer: For programs.
        lines: For people.
        as_json: Which of them is printed.
        is_paged: Whether lines for which a terminal is too low go through a pager.
    """
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    text = "\n".join(as_typed(visible(line)) for line in "\n".join(lines).split("\n"))
    if is_paged:
        print_paged(text)
    else:
        click.echo(text)
