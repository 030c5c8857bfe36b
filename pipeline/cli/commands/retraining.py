"""The commands that train trials of a study again."""

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.group import examples
from pipeline.cli.options import (
    Trial,
    same_place,
    with_placement,
    with_training_workspace,
    with_trial,
    with_workers,
)

if TYPE_CHECKING:
    from pipeline.app.placement.placement import Placement
    from pipeline.app.workspace import Workspace


@click.command(
    epilog=examples(
        "pipeline reproduce mnist-5k-mlp --trial best",
        "pipeline reproduce 29e211e8",
    )
)
@click.argument("target", metavar="STUDY|RUN_ID")
@with_trial
@with_placement
@with_training_workspace
def reproduce(
    *,
    target: str,
    trial: Trial | None,
    placement: "Placement",
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Train a trial again and compare it with its record.

    Its MLflow record is all that is needed; the comparison is to the bit. RUN_ID is one that
    `show` lists; its first eight digits are enough. The answer is identical, close or different,
    and names what differs first; the exit code is 0 only for identical.
    """
    from pipeline.app.retraining.reproduce import reproduce as reproduce_
    from pipeline.cli.progress import Epochs
    from pipeline.cli.render.retrainings import reproduced_lines

    with Epochs() as epochs:
        answer = reproduce_(workspace, target, trial=trial, placement=placement, watch=epochs.watch)
    print_answer(answer.as_json(), reproduced_lines(answer), as_json=as_json)
    if answer.comparison.verdict != "identical":
        sys.exit(1)


@click.command(epilog=examples("pipeline confirm mnist-5k-mlp --top 5 --seeds 5"))
@click.argument("study")
@click.option(
    "--top",
    type=click.IntRange(1, 1_000),
    default=5,
    show_default=True,
    metavar="K",
    help="How many of the best trials; a baseline and what the study file names come on top.",
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
@with_placement
@with_training_workspace
def confirm(
    *,
    study: str,
    top: int,
    seeds: int,
    placement: "Placement",
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Train STUDY's best trials again on new seeds, then test them.

    Says who wins, or which trials cannot be told apart, and whether the winner beats a baseline.
    The test part is read here alone, and each time is recorded.
    """
    from pipeline.app.retraining.confirm import Candidates
    from pipeline.cli.progress import RepeatsProgress, Steps
    from pipeline.cli.render.retrainings import confirmed_lines

    with Steps() as steps:
        steps.show("reading the trials from MLflow")
        candidates = Candidates.read(workspace, study, top=top)
    with RepeatsProgress(study, n_candidates=len(candidates.trials), n_seeds=seeds) as progress:
        confirmed = candidates.confirm(
            seeds=seeds, placement=placement, watch=progress.watch, plan=progress.plan
        )
    lines = confirmed_lines(confirmed, same_place(workspace))
    print_answer(confirmed.as_json(), lines, as_json=as_json)
    if confirmed.answer.winner is None:
        sys.exit(1)


@click.command(epilog=examples("pipeline refit mnist-5k-mlp --trial 58"))
@click.argument("study")
@with_trial
@with_placement
@with_training_workspace
def refit(
    *,
    study: str,
    trial: Trial | None,
    placement: "Placement",
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Train a setting on training and validation rows together.

    Its weights are kept. It trains for as many epochs as the trial's best one, and opens no row
    of the test part.
    """
    from pipeline.app.retraining.refit import refit as refit_
    from pipeline.cli.progress import Epochs
    from pipeline.cli.render.retrainings import refit_lines

    with Epochs() as epochs:
        chosen: Trial = "best" if trial is None else trial
        answer = refit_(workspace, study, trial=chosen, placement=placement, watch=epochs.watch)
    print_answer(answer.as_json(), refit_lines(answer), as_json=as_json)
