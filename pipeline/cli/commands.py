"""The commands: arguments in, one call out."""

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from pipeline.cli.options import (
    Trial,
    home_option,
    print_json,
    with_training_workspace,
    with_trial,
    with_workers,
    with_workspace,
)
from pipeline.cli.signals import end_on_signals, exit_code_of
from pipeline.errors import DropoutSearchError, visible

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace

STARTED = time.perf_counter()


def main() -> NoReturn:
    """Run the command line and leave with its exit code: 0, 1, 2, or 130 after Ctrl-C."""
    end_on_signals()
    try:
        code = commands.main(standalone_mode=False)
    except DropoutSearchError as error:
        _complain(str(error))
        code = error.exit_code
    except click.ClickException as error:
        _complain(error.format_message())
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        _complain("interrupted; `pipeline run` goes on from here, other commands begin anew")
        code = exit_code_of(stop)
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    except OSError as error:  # no room, no right to write: what nobody has put into words before
        _complain(f"{error.filename or 'the system'}: {error.strerror or error}")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    lines = "\n".join(map(visible, message.splitlines()))
    click.echo(f"error: {lines}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dropout-search", prog_name="pipeline")
def commands() -> None:
    """Search how much dropout each layer wants, and prove any trial again."""


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--trials", type=click.IntRange(min=1), help="The study's total of trials.")
@with_workers
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
    "--engine",
    type=click.Choice(["local"]),
    default="local",
    show_default=True,
    help="Where trials are trained.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a value of the file."
)
@with_training_workspace
def run(  # noqa: PLR0913 - one argument an option
    *,
    file: Path,
    trials: int | None,
    workers: int | None,
    max_cohort: int | None,
    retry_failed: bool,
    engine: str,
    overrides: tuple[str, ...],
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Run the study in FILE to its end, or go on with it."""
    from pipeline.app.study import Study
    from pipeline.cli.progress import StudyProgress
    from pipeline.cli.render import result_lines

    del engine  # the only one so far
    if trials is not None:
        overrides = (*overrides, f"search.trials={trials}")
    study = Study.load(file, overrides=overrides, workspace=workspace)
    with StudyProgress(study.config) as progress:
        result = study.run(
            workers=workers,
            max_cohort=max_cohort,
            retry_failed=retry_failed,
            begun=progress.take_up,
            watch=progress.watch,
            tell=progress.tell,
            started=STARTED,
        )
    if as_json:
        print_json(result.as_json())
    else:
        click.echo("\n".join(result_lines(result, home_option(workspace.home))))


@commands.command("list")
@with_workspace
def list_(*, workspace: "Workspace", as_json: bool) -> None:
    """List the studies of the home."""
    from pipeline.app.browse import list_studies
    from pipeline.cli.render import studies_table

    studies = list_studies(workspace)
    if as_json:
        print_json({"studies": studies})
    elif studies:
        click.echo(studies_table(studies))
    else:
        click.echo(f"no study in {workspace.home} yet; `pipeline run FILE` makes one")


@commands.command()
@click.argument("study")
@with_workspace
def show(*, study: str, workspace: "Workspace", as_json: bool) -> None:
    """Show the trials of STUDY."""
    from pipeline.app.browse import show_study
    from pipeline.cli.render import trials_table

    result = show_study(workspace, study)
    if as_json:
        rows = [row.as_json() for row in result.trials]
        print_json({"study": study, "trials": rows})
    else:
        click.echo(trials_table(result.trials))


@commands.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=5000, show_default=True)
@with_workspace
def ui(*, port: int, workspace: "Workspace", as_json: bool) -> None:
    """Serve MLflow's page on the home until Ctrl-C."""
    from pipeline.app.browse import serve_ui

    with serve_ui(workspace, port) as pages:
        if as_json:
            print_json({"address": pages.address, "studies": pages.studies})
        else:
            for name, address in pages.studies.items():
                click.echo(f"{name}: {address}")
            click.echo(f"all studies: {pages.address}  (Ctrl-C ends)")
        signal.pause()


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="JSON is all that this command prints.")
def schema(*, as_json: bool) -> None:
    """Print the study file's JSON schema."""
    from pipeline.app.browse import schema as schema_

    del as_json
    print_json(schema_())


@commands.command()
@click.argument("target", metavar="STUDY|RUN_ID")
@with_trial
@with_training_workspace
def reproduce(*, target: str, trial: Trial | None, workspace: "Workspace", as_json: bool) -> None:
    """Train a trial again from its MLflow record and compare it bit for bit."""
    from pipeline.app.reproduce import reproduce as reproduce_
    from pipeline.cli.progress import Epochs
    from pipeline.cli.render import reproduced_lines

    with Epochs() as epochs:
        answer = reproduce_(workspace, target, trial=trial, watch=epochs.watch)
    if as_json:
        print_json(answer.as_json())
    else:
        click.echo("\n".join(reproduced_lines(answer)))
    if answer.comparison.verdict != "identical":
        sys.exit(1)


@commands.command()
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
    from pipeline.app.confirm import Candidates
    from pipeline.cli.progress import RepeatsProgress
    from pipeline.cli.render import confirmed_lines

    candidates = Candidates.read(workspace, study, top=top)
    with RepeatsProgress(study, n_candidates=len(candidates.trials), n_seeds=seeds) as progress:
        confirmed = candidates.confirm(seeds=seeds, workers=workers, watch=progress.watch)
    if as_json:
        print_json(confirmed.as_json())
    else:
        click.echo("\n".join(confirmed_lines(confirmed, home_option(workspace.home))))
    if confirmed.answer.winner is None:
        sys.exit(1)


@commands.command()
@click.argument("study")
@with_trial
@with_training_workspace
def refit(*, study: str, trial: Trial | None, workspace: "Workspace", as_json: bool) -> None:
    """Train a trial's setting on training and validation rows together and keep the weights."""
    from pipeline.app.refit import refit as refit_
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


@commands.command()
@click.option("--fix", is_flag=True, help="Mend what is off; without it nothing is written.")
@with_training_workspace
def doctor(*, fix: bool, workspace: "Workspace", as_json: bool) -> None:
    """Hold both ledgers of every study against each other, and mend what is off."""
    from pipeline.app.doctor import examine
    from pipeline.cli.progress import Steps
    from pipeline.cli.render import diagnosis_lines

    with Steps() as steps:
        diagnosis = examine(workspace, fix=fix, tell=steps.tell)
    if as_json:
        print_json(diagnosis.as_json())
    else:
        lines = diagnosis_lines(diagnosis, home=workspace.home, fix=fix)
        click.echo("\n".join(map(visible, lines)))
    if not diagnosis.is_healthy:
        sys.exit(1)
