"""Options that several commands share, and what they stand for."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from pipeline.app import Place

Command = TypeVar("Command", bound=Callable[..., Any])
Trial = int | Literal["best"]
LONGEST_NUMBER = 9
"""Digits of a trial's number."""


class Folder(click.Path):
    """A path that is not empty: an empty one would stand for the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty text that an unset variable leaves."""
        if value == "":
            self.fail("got '', expected a folder", param, ctx)
        return super().convert(value, param, ctx)


def with_place(command: Command) -> Command:
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


with_data_dir = click.option(
    "--data-dir",
    type=Folder(path_type=Path),
    envvar="PIPELINE_DATA",
    show_envvar=True,
    help="Folder of data sets in torchvision's layout; never written to.",
)

with_trust = click.option(
    "--trust-code",
    is_flag=True,
    help="Import the class that the study names though its code is not your own.",
)

with_workers = click.option(
    "--workers", type=click.IntRange(1, 1024), help="Worker processes; one a core."
)


def _number(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Trial | None:
    if text is None or text == "best":
        return None if text is None else "best"
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        message = f"got {text[:50]!r}, expected a trial's number or 'best'"
        raise click.BadParameter(message, param_hint="--trial")
    return int(text)


with_trial = click.option(
    "--trial",
    metavar="N|best",
    callback=_number,
    help="Which trial of the study; by default the best.",
)


def place_of(
    home: Path, storage: str | None, data_dir: Path | None = None, *, trust_code: bool = False
) -> "Place":
    """The place that a command's options name."""
    from pipeline.app import Place

    return Place(home=home, storage=storage, data_dir=data_dir, trusts_code=trust_code)


def print_json(value: Mapping[str, Any]) -> None:
    """Print JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def home_option(home: Path) -> str:
    """What has to be typed with the next command where the home is not the default one."""
    return "" if home == Path("mlruns") else f" --home {home}"
