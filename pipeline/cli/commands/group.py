"""The group of commands, and the form of their help."""

import time
from typing import Final

import click

STARTED: Final = time.perf_counter()
"""When the command began, as near as this process can tell."""


class OrderedGroup(click.Group):
    """Lists its commands as they were added: in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        del ctx
        return list(self.commands)


def examples(*lines: str) -> str:
    """What ends a command's help: lines to type, as they are."""
    return "\n".join(
        ("\b", "Example:" if len(lines) == 1 else "Examples:", *map("  ".__add__, lines))
    )
