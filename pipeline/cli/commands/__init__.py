"""The commands: arguments in, one call out."""

import click

from pipeline.cli.commands.beginning import init
from pipeline.cli.commands.exporting import export
from pipeline.cli.commands.group import OrderedGroup
from pipeline.cli.commands.looking import list_, report, schema, show, ui
from pipeline.cli.commands.mending import doctor
from pipeline.cli.commands.planning import plan
from pipeline.cli.commands.retraining import confirm, refit, reproduce
from pipeline.cli.commands.running import run
from pipeline.cli.commands.sharing import bundle, diff, import_


@click.group(
    cls=OrderedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="dropout-search")
def group() -> None:
    """Search how much dropout each layer wants, and prove any trial again.

    A study file says the question; `run` searches, `show` tells what it has found so far,
    `confirm` trains the best settings again on new seeds, `report` writes the answer down.
    `pipeline COMMAND --help` explains one of them.
    """


COMMANDS = (
    *(init, plan, run, show, confirm, report, reproduce, refit, export, list_, diff, bundle),
    *(import_, ui, doctor, schema),
)
for command in COMMANDS:
    group.add_command(command)
