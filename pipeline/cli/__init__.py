"""The command line; the only room that prints."""

from pipeline.cli.commands import commands, main

__all__ = ["commands", "main"]
