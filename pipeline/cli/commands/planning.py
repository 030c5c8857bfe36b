"""The command that checks a study before it runs."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.options import GPUS, same_place, with_training_workspace, with_workers

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace

STARTED = time.perf_counter()


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="The study's total of trials, in place of the file's.",
)
@with_workers
@GPUS
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a value of the file."
)
@with_training_workspace
def plan(
    *,
    file: Path,
    trials: int | None,
    workers: int | None,
    gpus: str | None,
    overrides: tuple[str, ...],
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Check the study in FILE before it runs, and predict how long it takes; write nothing."""
    from pipeline.app.study import Study
    from pipeline.cli.progress import Steps
    from pipeline.cli.render.plan import plan_lines

    if trials is not None:
        overrides = (*overrides, f"search.trials={trials}")
    study = Study.load(file, overrides=overrides, workspace=workspace)
    with Steps() as steps:
        found = study.plan(workers=workers, gpus=gpus, tell=steps.show, started=STARTED)
    print_answer(found.as_json(), plan_lines(found, same_place(workspace)), as_json=as_json)
    if not found.ok:
        sys.exit(1)
