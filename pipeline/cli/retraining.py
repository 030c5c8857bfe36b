"""The commands that train again: to compare, to be sure, to keep."""

import sys
from pathlib import Path

import click

from pipeline.cli.options import (
    Trial,
    home_option,
    place_of,
    print_json,
    with_data_dir,
    with_place,
    with_trial,
    with_trust,
    with_workers,
)


@click.command()
@click.argument("target", metavar="STUDY|RUN_ID")
@with_trial
@with_trust
@with_data_dir
@with_place
def reproduce(
    *,
    target: str,
    trial: Trial | None,
    trust_code: bool,
    data_dir: Path | None,
    home: Path,
    storage: str | None,
    as_json: bool,
) -> None:
    """Train a trial again from its MLflow record and compare it bit for bit."""
    from pipeline.app import reproduce as reproduce_
    from pipeline.cli.progress import Epochs
    from pipeline.cli.screen import reproduced_lines

    with Epochs() as epochs:
        place = place_of(home, storage, data_dir, trust_code=trust_code)
        answer = reproduce_(place, target, trial=trial, watch=epochs.watch)
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
@with_trust
@with_data_dir
@with_place
def confirm(  # noqa: PLR0913 - one argument an option
    *,
    study: str,
    top: int,
    seeds: int,
    workers: int | None,
    trust_code: bool,
    data_dir: Path | None,
    home: Path,
    storage: str | None,
    as_json: bool,
) -> None:
    """Train the best trials of STUDY again on new seeds, then open the test part."""
    from pipeline.app import Candidates
    from pipeline.cli.progress import RepeatsProgress
    from pipeline.cli.screen import confirmed_lines

    candidates = Candidates.read(
        place_of(home, storage, data_dir, trust_code=trust_code), study, top=top
    )
    with RepeatsProgress(study, n_candidates=len(candidates.trials), n_seeds=seeds) as progress:
        confirmed = candidates.confirm(seeds=seeds, workers=workers, watch=progress.watch)
    if as_json:
        print_json(confirmed.as_json())
    else:
        click.echo("\n".join(confirmed_lines(confirmed, home_option(home))))
    if confirmed.answer.winner is None:
        sys.exit(1)


@click.command()
@click.argument("study")
@with_trial
@with_trust
@with_data_dir
@with_place
def refit(
    *,
    study: str,
    trial: Trial | None,
    trust_code: bool,
    data_dir: Path | None,
    home: Path,
    storage: str | None,
    as_json: bool,
) -> None:
    """Train a trial's setting on training and validation rows together and keep the weights."""
    from pipeline.app import refit as refit_
    from pipeline.cli.progress import Epochs

    with Epochs() as epochs:
        place = place_of(home, storage, data_dir, trust_code=trust_code)
        answer = refit_(place, study, trial="best" if trial is None else trial, watch=epochs.watch)
    if as_json:
        print_json(answer.as_json())
    else:
        click.echo(f"trial {answer.number}: {answer.epochs} epochs on training and validation rows")
        click.echo(f"  weights: {answer.path}")
        click.echo(f"  weights SHA-256: {answer.weights_sha256}")
