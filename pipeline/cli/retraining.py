"""The commands that train again: to compare, to be sure, to keep."""

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    Trial,
    home_option,
    print_json,
    with_training_workspace,
    with_trial,
    with_workers,
)

if TYPE_CHECKING:
    from pipeline.app import Workspace


@click.command()
@click.argument("target", metavar="STUDY|RUN_ID")
@with_trial
@with_training_workspace
def reproduce(*, target: str, trial: Trial | None, workspace: "Workspace", as_json: bool) -> None:
    """Train a trial again from its MLflow record and compare it bit for bit."""
    from pipeline.app import reproduce as reproduce_
    from pipeline.cli.progress import Epochs
    from pipeline.cli.screen import reproduced_lines

    with Epochs() as epochs:
        answer = reproduce_(workspace, target, trial=trial, watch=epochs.watch)
    if as_json:
        print_json(answer.as_json())
    else:
        click.echo("\n".join(reproduced_lines(answer)))
    if answer.comparison.verdict != "identical":
        sys.exit(1)


@click.command()
@click.argument("study")
@click.option(
    "--top",
    type=click.IntRange(1, 1_000),
    default=5,
    show_default=True,
    metavar="K",
    help="How many of the best trials; those that the study file names come on top.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1_000),
    default=5,
    show_default=True,
    metavar="S",
    help="On how many new seeds each is trained.",
)
@with_workers
@with_training_workspace
def confirm(
    *,
    study: str,
    top: int,
    seeds: int,
    workers: int | None,
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Train the best trials of STUDY again on new seeds, then open the test part."""
    from pipeline.app import Candidates
    from pipeline.cli.progress import RepeatsProgress
    from pipeline.cli.screen import confirmed_lines

    candidates = Candidates.read(workspace, study, top=top)
    with RepeatsProgress(study, n_candidates=len(candidates.trials), n_seeds=seeds) as progress:
        confirmed = candidates.confirm(seeds=seeds, workers=workers, watch=progress.watch)
    if as_json:
        print_json(confirmed.as_json())
    else:
        click.echo("\n".join(confirmed_lines(confirmed, home_option(workspace.home))))
    if confirmed.answer.winner is None:
        sys.exit(1)


@click.command()
@click.argument("study")
@with_trial
@with_training_workspace
def refit(*, study: str, trial: Trial | None, workspace: "Workspace", as_json: bool) -> None:
    """Train a trial's setting on training and validation rows together and keep the weights."""
    from pipeline.app import refit as refit_
    from pipeline.cli.progress import Epochs

    with Epochs() as epochs:
        answer = refit_(
            workspace, study, trial="best" if trial is None else trial, watch=epochs.watch
        )
    if as_json:
        print_json(answer.as_json())
    else:
        click.echo(f"trial {answer.number}: {answer.epochs} epochs on training and validation rows")
        click.echo(f"  weights: {answer.path}")
        click.echo(f"  weights SHA-256: {answer.weights_sha256}")
