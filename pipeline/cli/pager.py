"""Long answers on a terminal go through the pager that the user has set."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

LESS = "FRX"
"""git's options of less where the user has set none: leave if it fits, colours, keep the text."""


def print_paged(text: str) -> None:
    """Print a text; on a terminal on which it does not fit, with ``$PAGER`` or less.

    ``PAGER=cat`` prints it whole.
    """
    height = shutil.get_terminal_size().lines
    if not sys.stdout.isatty() or text.count("\n") + 1 < height:
        click.echo(text)
        return
    os.environ.setdefault("LESS", LESS)
    with _interrupts_are_the_pagers():
        click.echo_via_pager(text + "\n")


@contextmanager
def _interrupts_are_the_pagers() -> Iterator[None]:
    """Ctrl-C breaks off a search in less; this process waits for its end, as git does."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
