"""The command that somebody types first."""

from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.group import examples
from pipeline.cli.options import same_place, with_workspace

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace

EXAMPLES = ("digits", "mnist-5k")
"""As ``app.first_study`` has them; ``--help`` is not to wait for it."""
EXAMPLE = click.Choice(EXAMPLES)


@click.command(epilog=examples("pipeline init my-study", "pipeline init my-study --example digits"))
@click.argument("name", default="study")
@click.option(
    "--example",
    type=EXAMPLE,
    default=EXAMPLES[0],
    show_default=True,
    help="Which study to begin with; neither needs a download.",
)
@with_workspace
def init(*, name: str, example: str, workspace: "Workspace", as_json: bool) -> None:
    """Write NAME.yaml, a study file with comments that runs as it is."""
    from pipeline.app.first_study import write_first_study

    path = write_first_study(name, example=example)
    lines = [f"study file: {path}", "next:", f"  pipeline run {path}{same_place(workspace)}"]
    print_answer({"path": str(path), "example": example}, lines, as_json=as_json)
