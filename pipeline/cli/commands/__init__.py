"""The commands: arguments in, one call out."""

import click

from pipeline.cli.commands.exporting import export
from pipeline.cli.commands.looking import list_, report, schema, show, ui
from pipeline.cli.commands.mending import doctor
from pipeline.cli.commands.retraining import confirm, refit, reproduce
from pipeline.cli.commands.running import run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dropout-search", prog_name="pipeline")
def group() -> None:
    """Search how much dropout each layer wants, and prove any trial again."""


for command in (run, list_, show, reproduce, confirm, report, refit, export, doctor, ui, schema):
    group.add_command(command)
