"""Options that several commands share, and the types of their values."""

import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pipeline.errors import holds_password, without_password

if TYPE_CHECKING:
    from pipeline.app.workspace import Workspace

Trial = int | Literal["best"]
LONGEST_NUMBER = 9
"""Digits of a trial's number."""


class Folder(click.Path):
    """A path that is not empty: an empty one would mean the working folder."""

    expected = "a folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty text that an unset variable leaves."""
        if value == "":
            self.fail(f"got '', expected {self.expected}", param, ctx)
        return super().convert(value, param, ctx)


class File(Folder):
    """The path of a file to write."""

    expected = "a file"


def with_out(where: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the option that names the file to write; the command gets ``out``.

    Args:
        where: What the file is, and where it is written by default.
    """
    return click.option("--out", type=File(path_type=Path), metavar="FILE", help=where)


HOME = click.option(
    "--home",
    type=Folder(path_type=Path),
    default=Path("mlruns"),
    envvar="PIPELINE_HOME",
    show_envvar=True,
    show_default=True,
    help="Folder of all state: studies, runs, weights, decoded data.",
)
STORAGE = click.option(
    "--storage", metavar="URL", help="Optuna's storage (SQLAlchemy's form), in place of the home's."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout alone.")
DATA_DIR = click.option(
    "--data-dir",
    type=Folder(path_type=Path),
    envvar="PIPELINE_DATA",
    show_envvar=True,
    help="Folder of data sets in torchvision's layout; never written to.",
)
TRUST = click.option(
    "--trust-code",
    is_flag=True,
    help="Import the class that the study names though its code is not your own.",
)


def with_workspace(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the workspace; the command gets a ``workspace`` and ``as_json``."""

    @wraps(command)
    def call(
        *,
        home: Path,
        storage: str | None,
        data_dir: Path | None = None,
        trust_code: bool = False,
        **others: Any,
    ) -> None:
        from pipeline.app.workspace import Workspace

        workspace = Workspace(home=home, storage=storage, data_dir=data_dir, trusts_code=trust_code)
        command(workspace=workspace, **others)

    return HOME(STORAGE(JSON(call)))


def with_training_workspace(command: Callable[..., None]) -> Callable[..., None]:
    """As ``with_workspace``, for a command that trains: with data and trust."""
    return TRUST(DATA_DIR(with_workspace(command)))


TRIALS = click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="The study's total of trials, in place of the file's; a larger one goes on.",
)
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a value of the file, such as search.seed=1; may be repeated.",
)


def with_overrides(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that replace values of the file; the command gets ``overrides``."""

    @wraps(command)
    def call(*, trials: int | None, overrides: tuple[str, ...], **others: Any) -> None:
        more = () if trials is None else (f"search.trials={trials}",)
        command(overrides=(*overrides, *more), **others)

    return TRIALS(SET(call))


with_workers = click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Worker processes; by default one a core, or one for each share of a GPU or cluster.",
)


ENGINE = click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where trials are trained: on this machine, or on a Ray cluster.",
)
RAY_ADDRESS = click.option(
    "--ray-address",
    envvar="RAY_ADDRESS",
    show_envvar=True,
    metavar="HOST:PORT",
    help="The cluster's head; by default the cluster of this machine, or one that is started.",
)
GPUS = click.option(
    "--gpus",
    metavar="all|0,1",
    help="GPUs of this machine, as they are visible; each worker trains on one of them.",
)


def with_placement(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where trials are trained; the command gets a ``placement``.

    One that has ``with_workers``, too, has the number in it.
    """

    @wraps(command)
    def call(
        *,
        engine: str,
        ray_address: str | None,
        gpus: str | None,
        workers: int | None = None,
        **others: Any,
    ) -> None:
        from pipeline.app.placement.placement import Placement, Ray

        cluster = Ray(address=ray_address) if engine == "ray" else None
        command(placement=Placement(workers=workers, cluster=cluster, gpus=gpus), **others)

    return ENGINE(RAY_ADDRESS(GPUS(call)))


def _number(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Trial | None:
    if text is None or text == "best":
        return None if text is None else "best"
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        message = f"got {text[:50]!r}, expected a trial's number or 'best'"
        raise click.BadParameter(message, param_hint="--trial")
    return int(text)


ALIASES = ("champion", "baseline")
"""What else of a study can be exported: what MLflow's registry calls so."""


def _number_or_alias(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> Trial | str | None:
    if text in ALIASES:
        return text
    if text is None or text == "best" or text.isdecimal():
        return _number(context, parameter, text)
    message = f"got {text[:50]!r}, expected a trial's number, 'best', 'champion' or 'baseline'"
    raise click.BadParameter(message, param_hint="--trial")


with_trial_or_alias = click.option(
    "--trial",
    metavar="N|best|champion|baseline",
    callback=_number_or_alias,
    help="Which trial of the study; by default the best.",
)


with_trial = click.option(
    "--trial",
    metavar="N|best",
    callback=_number,
    help="Which trial of the study; by default the best.",
)


def same_place(workspace: "Workspace") -> str:
    """What to type with the next command, for it to find what this one wrote.

    Returns:
        Options that begin with a space, a password left out; empty where all is by default.
    """
    home, storage = str(workspace.home), workspace.storage
    if storage and holds_password(storage):
        storage = without_password(storage)
    told = {"--home": home if home != "mlruns" else "", "--storage": storage or ""}
    return "".join(f" {name} {shlex.quote(value)}" for name, value in told.items() if value)
