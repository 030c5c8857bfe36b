"""The command line; the only room that prints."""

from pipeline.cli.entry import main

__all__ = ["main"]
