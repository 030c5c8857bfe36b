"""The commands: arguments in, one call out."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pipeline.cli.options import (
    JSON,
    File,
    Trial,
    same_place,
    with_placement,
    with_training_workspace,
    with_trial,
    with_workers,
    with_workspace,
)
from pipeline.cli.signals import end_on_signals, exit_code_of
from pipeline.errors import DropoutSearchError, visible, without_password

if TYPE_CHECKING:
    from pipeline.app.cluster import Placement
    from pipeline.app.workspace import Workspace

STARTED = time.perf_counter()
DEBUG = "PIPELINE_DEBUG"
"""The environment variable that shows the traceback of an error, if it is set."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code: 0, 1, 2, or 130 after Ctrl-C."""
    end_on_signals()
    try:
        code = commands.main(standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - no user sees a traceback
        if os.environ.get(DEBUG):
            traceback.print_exception(error)
        code = _report(error)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: BaseException) -> int:
    """Say in a few lines why the command ended; return its exit code."""
    match error:
        case DropoutSearchError():
            message, code = str(error), error.exit_code
        case click.ClickException():
            message, code = error.format_message(), error.exit_code
        case KeyboardInterrupt() | click.Abort():
            message = "interrupted; `pipeline run` goes on from here, other commands begin anew"
            code = exit_code_of(error)
        case BrokenPipeError():  # nobody reads any more, so nothing is said
            sys.stderr.close()
            return 1
        case OSError():  # no space, no right to write
            message, code = f"{error.filename or 'the system'}: {error.strerror or error}", 1
        case _:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            message, code = f"unexpected {what}; {DEBUG}=1 shows where", 1
    _print_error(without_password(message))
    return code


def _print_error(message: str) -> None:
    lines = "\n".join(map(visible, message.splitlines()))
    click.echo(f"error: {lines}", err=True)


def _print(answer: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print an answer on stdout: as JSON, or as lines for people."""
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(map(visible, "\n".join(lines).split("\n"))))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dropout-search", prog_name="pipeline")
def commands() -> None:
    """Search how much dropout each layer wants, and prove any trial again."""


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="The study's total of trials, in place of the file's.",
)
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
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a value of the file."
)
@with_training_workspace
def run(  # noqa: PLR0913 - one argument an option
    *,
    file: Path,
    trials: int | None,
    placement: "Placement",
    max_cohort: int | None,
    retry_failed: bool,
    system_metrics: bool,
    overrides: tuple[str, ...],
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Run the study in FILE to its end, or go on with it."""
    from pipeline.app.result import StudyFailedError
    from pipeline.app.study import Study
    from pipeline.cli.progress import StudyProgress
    from pipeline.cli.render import result_lines

    if trials is not None:
        overrides = (*overrides, f"search.trials={trials}")
    workspace = replace(workspace, system_metrics=system_metrics)
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
                begun=progress.take_up,
                watch=progress.watch,
                tell=progress.tell,
                started=STARTED,
            )
        except StudyFailedError as error:
            failure, result = error, error.result
    _print(result.as_json(), result_lines(result, same_place(workspace)), as_json=as_json)
    if failure:
        raise failure


@commands.command("list")
@with_workspace
def list_(*, workspace: "Workspace", as_json: bool) -> None:
    """List the studies of the home."""
    from pipeline.app.browse import list_studies
    from pipeline.cli.render import studies_lines

    studies = list_studies(workspace)
    _print({"studies": studies}, studies_lines(studies, workspace.home), as_json=as_json)


@commands.command()
@click.argument("study")
@with_workspace
def show(*, study: str, workspace: "Workspace", as_json: bool) -> None:
    """Show the trials of STUDY, and the answer so far."""
    from pipeline.app.browse import show_study
    from pipeline.cli.render import answer_lines, trials_table

    result = show_study(workspace, study, with_answer=True)
    trials = [row.as_json() for row in result.trials]
    answer = {"study": study, "trials": trials, "answer": result.as_json()["answer"]}
    lines = [trials_table(result.trials), *answer_lines(result.search)]
    _print(answer, lines, as_json=as_json)


@commands.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=5000,
    show_default=True,
    help="Where the page is served; 0 takes any free port.",
)
@with_workspace
def ui(*, port: int, workspace: "Workspace", as_json: bool) -> None:
    """Serve MLflow's page on the home until Ctrl-C."""
    from pipeline.app.browse import serve_ui
    from pipeline.cli.render import pages_lines

    with serve_ui(workspace, port) as pages:
        answer = {"address": pages.address, "studies": pages.studies}
        _print(answer, pages_lines(pages), as_json=as_json)
        signal.pause()


@commands.command()
@JSON
def schema(*, as_json: bool) -> None:  # noqa: ARG001 - it prints nothing but JSON
    """Print the study file's JSON schema."""
    from pipeline.app.browse import schema as schema_

    _print(schema_(), (), as_json=True)


@commands.command()
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
    """Train a trial again from its MLflow record and compare it bit for bit."""
    from pipeline.app.reproduce import reproduce as reproduce_
    from pipeline.cli.progress import Epochs
    from pipeline.cli.render import reproduced_lines

    with Epochs() as epochs:
        answer = reproduce_(workspace, target, trial=trial, placement=placement, watch=epochs.watch)
    _print(answer.as_json(), reproduced_lines(answer), as_json=as_json)
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
    """Train the best trials of STUDY again on new seeds, then open the test part."""
    from pipeline.app.confirm import Candidates
    from pipeline.cli.progress import RepeatsProgress
    from pipeline.cli.render import confirmed_lines

    candidates = Candidates.read(workspace, study, top=top)
    with RepeatsProgress(study, n_candidates=len(candidates.trials), n_seeds=seeds) as progress:
        confirmed = candidates.confirm(
            seeds=seeds, placement=placement, watch=progress.watch, plan=progress.plan
        )
    lines = confirmed_lines(confirmed, same_place(workspace))
    _print(confirmed.as_json(), lines, as_json=as_json)
    if confirmed.answer.winner is None:
        sys.exit(1)


@commands.command()
@click.argument("study")
@click.option(
    "--out",
    type=File(path_type=Path),
    metavar="FILE",
    help="The HTML file; by default HOME/reports/STUDY.html.",
)
@with_workspace
def report(*, study: str, out: Path | None, workspace: "Workspace", as_json: bool) -> None:
    """Write one HTML file that answers STUDY's question and opens offline."""
    from pipeline.app.report import write_report
    from pipeline.cli.progress import Steps
    from pipeline.cli.render import report_lines

    with Steps() as steps:
        written = write_report(workspace, study, out=out, tell=steps.show)
    _print(written.as_json(), report_lines(written), as_json=as_json)


@commands.command()
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
    """Train a trial's setting on training and validation rows together and keep the weights."""
    from pipeline.app.refit import refit as refit_
    from pipeline.cli.progress import Epochs
    from pipeline.cli.render import refit_lines

    with Epochs() as epochs:
        chosen: Trial = "best" if trial is None else trial
        answer = refit_(workspace, study, trial=chosen, placement=placement, watch=epochs.watch)
    _print(answer.as_json(), refit_lines(answer), as_json=as_json)


@commands.command()
@click.option("--fix", is_flag=True, help="Repair what is wrong; without it nothing is written.")
@with_training_workspace
def doctor(*, fix: bool, workspace: "Workspace", as_json: bool) -> None:
    """Compare both ledgers of every study with each other, and repair what is wrong."""
    from pipeline.app.doctor import examine
    from pipeline.cli.progress import Steps
    from pipeline.cli.render import diagnosis_lines

    with Steps() as steps:
        diagnosis = examine(workspace, fix=fix, tell=steps.show)
    lines = diagnosis_lines(diagnosis, home=workspace.home, place=same_place(workspace), fix=fix)
    _print(diagnosis.as_json(), lines, as_json=as_json)
    if not diagnosis.is_healthy:
        sys.exit(1)
