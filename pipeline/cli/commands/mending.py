"""The command that audits and mends both ledgers."""

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.group import examples
from pipeline.cli.options import same_place, with_training_workspace

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace


@click.command(epilog=examples("pipeline doctor", "pipeline doctor --fix"))
@click.option("--fix", is_flag=True, help="Repair what is wrong; without it nothing is written.")
@with_training_workspace
def doctor(*, fix: bool, workspace: "Workspace", as_json: bool) -> None:
    """Compare Optuna's trials with MLflow's runs, and mend them.

    It names each trial and run that is wrong. Without `--fix` nothing is changed. The exit code
    is 1 while something is wrong.
    """
    from pipeline.app.doctor import examine
    from pipeline.cli.progress import Steps
    from pipeline.cli.render.diagnosis import diagnosis_lines

    with Steps() as steps:
        diagnosis = examine(workspace, fix=fix, tell=steps.show)
    lines = diagnosis_lines(diagnosis, home=workspace.home, place=same_place(workspace), fix=fix)
    print_answer(diagnosis.as_json(), lines, as_json=as_json)
    if not diagnosis.is_healthy:
        sys.exit(1)
