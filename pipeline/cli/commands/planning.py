"""The command that checks a study before it runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.group import STARTED, examples
from pipeline.cli.options import (
    GPUS,
    same_place,
    with_overrides,
    with_training_workspace,
    with_workers,
)

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace


@click.command(
    epilog=examples(
        "pipeline plan studies/mnist_5k_mlp.yaml",
        "pipeline plan studies/mnist_5k_mlp.yaml --trials 200 --workers 8",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@with_overrides
@with_workers
@GPUS
@with_training_workspace
def plan(
    *,
    file: Path,
    workers: int | None,
    gpus: str | None,
    overrides: tuple[str, ...],
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Check the study in FILE, and predict how long it takes.

    Nothing is written. A fault is what would make the study fail or be pointless.
    """
    from pipeline.app.study import Study
    from pipeline.cli.progress import Steps
    from pipeline.cli.render.plan import plan_lines

    study = Study.load(file, overrides=overrides, workspace=workspace)
    with Steps() as steps:
        found = study.plan(workers=workers, gpus=gpus, tell=steps.show, started=STARTED)
    print_answer(found.as_json(), plan_lines(found, same_place(workspace)), as_json=as_json)
    if not found.ok:
        sys.exit(1)
