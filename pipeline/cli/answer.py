"""How a command answers: as JSON, or as lines for people."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click

from pipeline.cli.pager import print_paged
from pipeline.errors import visible


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
    text = "\n".join(map(visible, "\n".join(lines).split("\n")))
    if is_paged:
        print_paged(text)
    else:
        click.echo(text)
