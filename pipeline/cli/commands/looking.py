"""The commands that show what is there."""

import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.group import examples
from pipeline.cli.options import JSON, same_place, with_out, with_workspace
from pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace


@click.command("list", epilog=examples("pipeline list", "pipeline list --home /data/mlruns"))
@with_workspace
def list_(*, workspace: "Workspace", as_json: bool) -> None:
    """List the studies of the home.

    Each has a line: how many trials ended how, the best value, and the trial that has it.
    """
    from pipeline.app.browse import list_studies
    from pipeline.cli.render.studies import studies_lines

    studies = list_studies(workspace)
    print_answer({"studies": studies}, studies_lines(studies, workspace.home), as_json=as_json)


@click.command(epilog=examples("pipeline show mnist-5k-mlp --sort learning_rate --top 10"))
@click.argument("study")
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="List N trials; by default 20."
)
@click.option("--all", "lists_all", is_flag=True, help="List every trial.")
@click.option(
    "--sort",
    metavar="KEY",
    help="Order by value (the best first), number, best_epoch, n_parameters or a parameter.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print every trial and column as CSV.")
@click.option(
    "--answer/--no-answer",
    "with_answer",
    default=None,
    help="Fit a model for the answer, or not; by default of up to 200 trials, if no run noted it.",
)
@with_workspace
def show(  # noqa: PLR0913 - one argument an option
    *,
    study: str,
    top: int | None,
    lists_all: bool,
    sort: str | None,
    as_csv: bool,
    with_answer: bool | None,
    workspace: "Workspace",
    as_json: bool,
) -> None:
    """Show STUDY's answer so far and its best trials.

    What no column has room for is named below the table. Run ids are shortened, and `reproduce`
    takes them so. A long answer on a terminal goes through $PAGER.
    """
    from pipeline.app.browse import look_at
    from pipeline.cli.render.trials import SHOWN, shown_lines, sorted_rows, trials_csv

    _refuse_together({"--top": top, "--all": lists_all})
    _refuse_together({"--csv": as_csv, "--json": as_json})
    if with_answer is None and (as_csv or as_json):
        with_answer = as_json  # programs get it always, a table of trials does not have it
    shown = look_at(workspace, study, with_answer=with_answer)
    is_data = as_csv or as_json
    key = sort or ("number" if is_data and top is None else "value")
    rows = sorted_rows(shown.result.trials, key, study)
    if top is not None or not (lists_all or is_data):
        rows = rows[: top or SHOWN]
    if as_csv:
        click.echo(trials_csv(rows), nl=False)
        return
    answer = {
        "study": study,
        "trials": [row.as_json() for row in rows],
        "answer": shown.answer,
    }
    lines = shown_lines(shown, rows, shutil.get_terminal_size().columns, same_place(workspace))
    print_answer(answer, lines, as_json=as_json, is_paged=True)


def _refuse_together(options: dict[str, object]) -> None:
    """Refuse options that contradict each other."""
    if all(options.values()):
        one, other = options
        raise BadInputError(where=one, problem=f"not allowed with {other}")


@click.command(epilog=examples("pipeline report mnist-5k-mlp --out answer.html"))
@click.argument("study")
@with_out("The HTML file; by default HOME/reports/STUDY.html.")
@with_workspace
def report(*, study: str, out: Path | None, workspace: "Workspace", as_json: bool) -> None:
    """Write one HTML file that answers STUDY's question.

    It opens offline and holds everything: the answer, all curves, and how to reproduce it.
    """
    from pipeline.app.report import write_report
    from pipeline.cli.progress import Steps
    from pipeline.cli.render.studies import report_lines

    with Steps() as steps:
        written = write_report(workspace, study, out=out, tell=steps.show)
    print_answer(written.as_json(), report_lines(written), as_json=as_json)


@click.command(epilog=examples("pipeline ui --port 5001"))
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=5000,
    show_default=True,
    metavar="PORT",
    help="Where the pages are served; 0 takes any free port.",
)
@with_workspace
def ui(*, port: int, workspace: "Workspace", as_json: bool) -> None:
    """Serve MLflow's pages of all studies until Ctrl-C.

    This machine alone can open them. It prints links to each study's leaderboard, curves and
    answer.
    """
    from pipeline.app.browse import serve_ui
    from pipeline.cli.render.studies import pages_lines

    with serve_ui(workspace, port) as pages:
        answer = {"address": pages.address, "studies": pages.studies}
        print_answer(answer, pages_lines(pages), as_json=as_json)
        signal.pause()


@click.command(epilog=examples("pipeline schema > study.schema.json"))
@JSON
def schema(*, as_json: bool) -> None:  # noqa: ARG001 - it prints nothing but JSON
    """Print the study file's JSON schema.

    With it an editor checks a study file while it is written, and completes its keys.
    """
    from pipeline.app.browse import schema as schema_

    print_answer(schema_(), (), as_json=True)
