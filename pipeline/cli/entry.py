"""The door of the command line: no user sees a traceback."""

import os
import sys
import traceback
from typing import NoReturn

import click

from pipeline.cli.answer import as_typed, command_name
from pipeline.cli.commands import group
from pipeline.cli.signals import end_on_signals, exit_code_of
from pipeline.errors import DropoutSearchError, visible, without_password

DEBUG = "PIPELINE_DEBUG"
"""The environment variable that shows the traceback of an error, if it is set."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code: 0, 1, 2, or 130 after Ctrl-C."""
    end_on_signals()
    try:
        code = group.main(prog_name=command_name(), standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - no user sees a traceback
        if os.environ.get(DEBUG):
            traceback.print_exception(error)
        code = _report(error)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: BaseException) -> int:
    """Say in a few lines why the command ended; return its exit code."""
    match error:
        case DropoutSearchError():
            message, code = str(error), error.exit_code
        case click.ClickException():
            message, code = error.format_message(), error.exit_code
        case KeyboardInterrupt() | click.Abort():
            message = "interrupted; `pipeline run` goes on from here, other commands begin anew"
            code = exit_code_of(error)
        case BrokenPipeError():  # nobody reads any more, so nothing is said
            sys.stderr.close()
            return 1
        case OSError():  # no space, no right to write
            message, code = f"{error.filename or 'the system'}: {error.strerror or error}", 1
        case _:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            message, code = f"unexpected {what}; {DEBUG}=1 shows where", 1
    _print_error(without_password(message))
    return code


def _print_error(message: str) -> None:
    lines = "\n".join(as_typed(visible(line)) for line in message.splitlines())
    click.echo(f"error: {lines}", err=True)
