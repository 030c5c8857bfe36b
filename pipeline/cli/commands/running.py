"""The command that runs a study."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.beginning import EXAMPLE
from pipeline.cli.commands.group import STARTED, examples
from pipeline.cli.options import (
    same_place,
    with_overrides,
    with_placement,
    with_training_workspace,
    with_workers,
)

if TYPE_CHECKING:
    from pipeline.app.placement.placement import Placement
    from pipeline.app.workspace import Workspace


@click.command(
    epilog=examples(
        "pipeline run studies/mnist_5k_mlp.yaml",
        "pipeline run studies/mnist_5k_mlp.yaml --trials 100 --workers 2",
        "pipeline run studies/mnist_5k_mlp.yaml --home /tmp/other --set search.seed=1",
    )
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--example",
    type=EXAMPLE,
    help="Run a study that comes with the package, in place of FILE.",
)
@with_overrides
@with_workers
@with_placement
@click.option(
    "--max-cohort",
    type=click.IntRange(1, 1024),
    help="Train at most N trials of one shape together; 1: each alone.",
    metavar="N",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Train the trials that failed again, once the cause is mended.",
)
@click.option(
    "--system-metrics",
    is_flag=True,
    help="Log processor, memory, disk and network to MLflow meanwhile.",
)
@click.option(
    "--no-models",
    is_flag=True,
    envvar="PIPELINE_NO_MODELS",
    show_envvar=True,
    help="Register no network in MLflow.",
)
@with_training_workspace
def run(  # noqa: PLR0913 - one argument an option
    *,
    file: Path | None,
    example: str | None,
    placement: "Placement",
    max_cohort: int | None,
    retry_failed: bool,
    system_metrics: bool,
    no_models: bool,
    overrides: tuple[str, ...],
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Run the study in FILE, or go on with it.

    Ctrl-C loses nothing: the same command goes on. A terminal shows how far it is, a pipe gets a
    line for each trial.
    """
    from pipeline.app.result import StudyFailedError
    from pipeline.app.study import Study
    from pipeline.cli.progress import StudyProgress
    from pipeline.cli.render.studies import result_lines

    file = _study_file(file, example)
    workspace = replace(workspace, system_metrics=system_metrics, registers_models=not no_models)
    study = Study.load(file, overrides=overrides, workspace=workspace)
    failure = None
    with StudyProgress(study.config) as progress:
        try:
            result = study.run(
                workers=placement.workers,
                cluster=placement.cluster,
                gpus=placement.gpus,
                max_cohort=max_cohort,
                retry_failed=retry_failed,
                progress=progress,
                started=STARTED,
            )
        except StudyFailedError as error:
            failure, result = error, error.result
    print_answer(result.as_json(), result_lines(result, same_place(workspace)), as_json=as_json)
    if failure:
        raise failure


def _study_file(file: Path | None, example: str | None) -> Path:
    """The file that was given, or the example's; one of them is to be."""
    if file is not None and example is not None:
        message = "--example: not allowed with FILE"
        raise click.UsageError(message)
    if file is not None:
        return file
    if example is None:
        message = "Missing argument 'FILE'; `pipeline init` writes one, and --example needs none"
        raise click.UsageError(message)
    from pipeline.app.first_study import example_file

    return example_file(example)
