"""The commands: arguments in, one call out."""

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import click

from pipeline.errors import DropoutSearchError

if TYPE_CHECKING:
    from pipeline.app import Place, StudyResult

STARTED = time.perf_counter()
INTERRUPTED = 130
Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> NoReturn:
    """Run the command line and leave with its exit code: 0, 1, 2, or 130 after Ctrl-C."""
    try:
        code = commands.main(standalone_mode=False)
    except DropoutSearchError as error:
        _complain(str(error))
        code = error.exit_code
    except click.ClickException as error:
        _complain(error.format_message())
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; the same command goes on from here")
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    click.echo(f"error: {message}", err=True)


class Folder(click.Path):
    """A path that is not empty: an empty one would stand for the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty text that an unset variable leaves."""
        if value == "":
            self.fail("got '', expected a folder", param, ctx)
        return super().convert(value, param, ctx)


def _placed(command: Command) -> Command:
    """Add the options that say where things are."""
    options = (
        click.option(
            "--home",
            type=Folder(path_type=Path),
            default=Path("mlruns"),
            envvar="PIPELINE_HOME",
            show_envvar=True,
            show_default=True,
            help="Folder of all state.",
        ),
        click.option("--storage", help="Optuna's storage, an SQLAlchemy URL."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout alone."),
    )
    for option in reversed(options):
        command = option(command)
    return command


_data_dir = click.option(
    "--data-dir",
    type=Folder(path_type=Path),
    envvar="PIPELINE_DATA",
    show_envvar=True,
    help="Folder of data sets in torchvision's layout; never written to.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dropout-search", prog_name="pipeline")
def commands() -> None:
    """Search how much dropout each layer wants, and prove any trial again."""


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--trials", type=click.IntRange(min=1), help="The study's total of trials.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes; one a core.")
@click.option(
    "--cohort",
    type=click.IntRange(1, 1024),
    help="Train at most N trials of one shape together; 1: each alone.",
    metavar="N",
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
@_data_dir
@_placed
def run(  # noqa: PLR0913 - one argument an option
    *,
    file: Path,
    trials: int | None,
    workers: int | None,
    cohort: int | None,
    engine: str,
    overrides: tuple[str, ...],
    data_dir: Path | None,
    home: Path,
    storage: str | None,
    as_json: bool,
) -> None:
    """Run the study in FILE to its end, or go on with it."""
    from pipeline.app import Study
    from pipeline.cli.screen import StudyProgress

    del engine  # the only one so far
    if trials is not None:
        overrides = (*overrides, f"search.trials={trials}")
    study = Study.load(file, overrides=overrides, place=_place(home, storage, data_dir))
    _end_on_sigterm()
    with StudyProgress(study.config, study.rows()) as progress:
        result = study.run(workers=workers, cohort=cohort, watch=progress.watch, started=STARTED)
    if as_json:
        _print_json(result.as_json())
    else:
        _print_result(result, home)


@commands.command("list")
@_placed
def list_(*, home: Path, storage: str | None, as_json: bool) -> None:
    """List the studies of the home."""
    from pipeline.app import list_studies
    from pipeline.cli.screen import studies_table

    studies = list_studies(_place(home, storage))
    if as_json:
        _print_json({"studies": studies})
    elif studies:
        click.echo(studies_table(studies))
    else:
        click.echo(f"no study in {home} yet; `pipeline run FILE` makes one")


@commands.command()
@click.argument("study")
@_placed
def show(*, study: str, home: Path, storage: str | None, as_json: bool) -> None:
    """Show the trials of STUDY."""
    from pipeline.app import show_study
    from pipeline.cli.screen import trials_table

    result = show_study(_place(home, storage), study)
    if as_json:
        rows = [row.as_json() for row in result.trials]
        _print_json({"study": study, "trials": rows})
    else:
        click.echo(trials_table(result.trials))


@commands.command()
@click.argument("target", metavar="STUDY|RUN_ID")
@click.option("--trial", metavar="N|best", help="Which trial of the study; by default the best.")
@_data_dir
@_placed
def reproduce(
    *,
    target: str,
    trial: str | None,
    data_dir: Path | None,
    home: Path,
    storage: str | None,
    as_json: bool,
) -> None:
    """Train a trial again from its MLflow record and compare it bit for bit."""
    from pipeline.app import reproduce as reproduce_
    from pipeline.cli.screen import Epochs

    if trial is not None and trial != "best" and not trial.isdecimal():
        message = f"got {trial!r}, expected a trial's number or 'best'"
        raise click.BadParameter(message, param_hint="--trial")
    number: int | Literal["best"] | None = None
    if trial is not None:
        number = "best" if trial == "best" else int(trial)
    _end_on_sigterm()
    with Epochs() as epochs:
        place = _place(home, storage, data_dir)
        answer = reproduce_(place, target, trial=number, watch=epochs.watch)
    if as_json:
        _print_json(answer.as_json())
    else:
        click.echo(f"trial {answer.number}: {answer.comparison.verdict.value}")
        click.echo(f"  epochs compared: {answer.comparison.epochs_compared}")
        click.echo(f"  weights SHA-256: {answer.comparison.weights_again}")
        if answer.comparison.first_difference:
            click.echo(f"  first difference: {answer.comparison.first_difference}")
    if answer.comparison.verdict != "identical":
        sys.exit(1)


@commands.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=5000, show_default=True)
@_placed
def ui(*, port: int, home: Path, storage: str | None, as_json: bool) -> None:
    """Serve MLflow's page on the home until Ctrl-C."""
    from pipeline.app import serve_ui

    _end_on_sigterm()
    with serve_ui(_place(home, storage), port) as pages:
        if as_json:
            _print_json({"address": pages.address, "studies": pages.studies})
        else:
            for name, address in pages.studies.items():
                click.echo(f"{name}: {address}")
            click.echo(f"all studies: {pages.address}  (Ctrl-C ends)")
        signal.pause()


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="JSON is all that this command prints.")
def schema(*, as_json: bool) -> None:
    """Print the study file's JSON schema."""
    from pipeline.app import schema as schema_

    del as_json
    _print_json(schema_())


def _place(home: Path, storage: str | None, data_dir: Path | None = None) -> "Place":
    from pipeline.app import Place

    return Place(home=home, storage=storage, data_dir=data_dir)


def _end_on_sigterm() -> None:
    """Let SIGTERM end a command as Ctrl-C does: with everything written."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _print_json(value: Mapping[str, Any]) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_result(result: "StudyResult", home: Path) -> None:
    from pipeline.cli.screen import result_lines

    option = "" if home == Path("mlruns") else f" --home {home}"
    click.echo("\n".join(result_lines(result, option)))
