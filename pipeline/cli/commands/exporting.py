"""The command that gives networks away."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.group import examples
from pipeline.cli.options import with_out, with_training_workspace, with_trial_or_alias

if TYPE_CHECKING:
    from pipeline.app.export import Format, Target
    from pipeline.app.workspace import Workspace


@click.command(
    epilog=examples(
        "pipeline export mnist-5k-mlp",
        "pipeline export mnist-5k-mlp --trial champion --format onnx",
    )
)
@click.argument("target", metavar="STUDY|RUN_ID")
@with_trial_or_alias
@click.option(
    "--format",
    "format_",
    type=click.Choice(["pt2", "onnx", "mlflow"]),
    default="pt2",
    show_default=True,
    help="A torch program, an ONNX model, or a version of the study's model in MLflow.",
)
@with_out("The file; by default HOME/exports/STUDY-trial-N.FORMAT.")
@with_training_workspace
def export(
    *,
    target: str,
    trial: "Target | None",
    format_: "Format",
    out: Path | None,
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Write a trial's network, or register it in MLflow.

    Its preprocessing goes with it. Another process runs what was written, and has to give what the
    trial gives.
    """
    from pipeline.app.export import export as export_
    from pipeline.cli.render.models import exported_lines

    exported = export_(workspace, target, trial=trial, format=format_, out=out)
    print_answer(exported.as_json(), exported_lines(exported), as_json=as_json)
