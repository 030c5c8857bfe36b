"""The commands that show what is there."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.options import JSON, File, with_workspace

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace


@click.command("list")
@with_workspace
def list_(*, workspace: "Workspace", as_json: bool) -> None:
    """List the studies of the home."""
    from pipeline.app.browse import list_studies
    from pipeline.cli.render.studies import studies_lines

    studies = list_studies(workspace)
    print_answer({"studies": studies}, studies_lines(studies, workspace.home), as_json=as_json)


@click.command()
@click.argument("study")
@with_workspace
def show(*, study: str, workspace: "Workspace", as_json: bool) -> None:
    """Show the trials of STUDY, and the answer so far."""
    from pipeline.app.browse import show_study
    from pipeline.cli.render.studies import answer_lines, trials_table

    result = show_study(workspace, study, with_answer=True)
    trials = [row.as_json() for row in result.trials]
    answer = {"study": study, "trials": trials, "answer": result.as_json()["answer"]}
    lines = [trials_table(result.trials), *answer_lines(result.search)]
    print_answer(answer, lines, as_json=as_json)


@click.command()
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
    from pipeline.cli.render.studies import report_lines

    with Steps() as steps:
        written = write_report(workspace, study, out=out, tell=steps.show)
    print_answer(written.as_json(), report_lines(written), as_json=as_json)


@click.command()
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
    from pipeline.cli.render.studies import pages_lines

    with serve_ui(workspace, port) as pages:
        answer = {"address": pages.address, "studies": pages.studies}
        print_answer(answer, pages_lines(pages), as_json=as_json)
        signal.pause()


@click.command()
@JSON
def schema(*, as_json: bool) -> None:  # noqa: ARG001 - it prints nothing but JSON
    """Print the study file's JSON schema."""
    from pipeline.app.browse import schema as schema_

    print_answer(schema_(), (), as_json=True)
