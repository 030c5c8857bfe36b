"""How a command answers: as JSON, or as lines for people."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click

from pipeline.errors import visible


def print_answer(answer: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print an answer on stdout: as JSON, or as lines for people."""
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(map(visible, "\n".join(lines).split("\n"))))
