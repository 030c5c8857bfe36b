"""The commands that compare studies and carry them from one home to another."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.answer import print_answer
from pipeline.cli.commands.group import examples
from pipeline.cli.options import same_place, with_out, with_workspace

if TYPE_CHECKING:
    from pipeline.app.bundles.bundle import Weights
    from pipeline.app.workspace import Workspace


@click.command(epilog=examples("pipeline diff mnist-5k-mlp mnist-5k-mlp-wide"))
@click.argument("a", metavar="STUDY_A")
@click.argument("b", metavar="STUDY_B")
@with_workspace
def diff(*, a: str, b: str, workspace: "Workspace", as_json: bool) -> None:
    """Show what differs between two studies.

    File, data, code, table and answer are compared. The exit code is 0 also where they differ.
    """
    from pipeline.app.diff import diff as diff_
    from pipeline.cli.render.bundles import difference_lines

    found = diff_(workspace, a, b)
    print_answer(found.as_json(), difference_lines(found), as_json=as_json)


@click.command(epilog=examples("pipeline bundle mnist-5k-mlp --out mnist-5k-mlp.tar"))
@click.argument("study")
@with_out("The tar file; by default HOME/bundles/STUDY.tar.")
@click.option(
    "--weights",
    type=click.Choice(["best", "all", "none"]),
    default="best",
    show_default=True,
    help="Whose weights go with it: those of the best, the baseline and the confirmed winner; "
    "all, also of what `confirm` trained; or none.",
)
@with_workspace
def bundle(
    *, study: str, out: Path | None, weights: "Weights", workspace: "Workspace", as_json: bool
) -> None:
    """Write STUDY whole into one file.

    `import` takes it into another home.
    """
    from pipeline.app.bundles.bundle import bundle as bundle_
    from pipeline.cli.progress import Steps
    from pipeline.cli.render.bundles import bundle_lines

    with Steps() as steps:
        written = bundle_(workspace, study, out=out, weights=weights, tell=steps.show)
    print_answer(written.as_json(), bundle_lines(written), as_json=as_json)


@click.command("import", epilog=examples("pipeline import mnist-5k-mlp.tar --home /tmp/other"))
@click.argument("file", type=click.Path(path_type=Path))
@with_workspace
def import_(*, file: Path, workspace: "Workspace", as_json: bool) -> None:
    """Take the study in FILE into this home.

    FILE is what `bundle` wrote. It is checked whole before anything is written; no code of it runs.
    """
    from pipeline.app.bundles.import_study import import_study
    from pipeline.cli.progress import Steps
    from pipeline.cli.render.bundles import imported_lines

    with Steps() as steps:
        imported = import_study(file, workspace=workspace, tell=steps.show)
    lines = imported_lines(imported, same_place(workspace))
    print_answer(imported.as_json(), lines, as_json=as_json)
