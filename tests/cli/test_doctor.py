"""What `pipeline doctor` says, and with which exit code."""

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.analysis import Finding, Kind
from pipeline.app.doctor import Diagnosis
from pipeline.cli import main
from pipeline.cli.progress import Steps
from pipeline.cli.render.diagnosis import diagnosis_lines

LOST = Finding(
    kind=Kind.DAMAGED_WEIGHTS,
    study="small",
    trial=3,
    run_id="r",
    what="weights.safetensors has SHA-256 0…, Optuna says 1…",
)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run the command in this process and give back its exit code."""

    def run(*words: str | Path) -> object:
        monkeypatch.setattr(sys, "argv", ["pipeline", "doctor", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code

    return run


def _told(*findings: Finding, fix: bool = True) -> list[str]:
    diagnosis = Diagnosis(studies=["mnist", "small"], running=["mnist"], findings=findings)
    return diagnosis_lines(diagnosis, home=Path("there"), place=" --home there", fix=fix)


def test_healthy_home_is_said_to_be_healthy(
    home: Path, call: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--home", home) == 0
    assert capsys.readouterr().out == "study small: healthy\nhealthy: the two ledgers agree\n"
    assert call("--home", home, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "healthy": True,
        "studies": ["small"],
        "running": [],
        "findings": [],
    }


def test_finding_is_told_with_the_command_that_mends_it() -> None:
    assert _told(LOST, fix=False) == [
        "study mnist: healthy (being run: finished trials alone were looked at)",
        "study small: 1 finding",
        "  trial 3: damaged-weights",
        "    found: weights.safetensors has SHA-256 0…, Optuna says 1…",
        "1 finding, nothing was changed; `pipeline doctor --fix --home there` fixes what it can",
    ]


def test_what_was_done_is_told() -> None:
    mended = replace(LOST, is_fixed=True, how="trained again")
    left = replace(LOST, trial=None, how="no data")
    told = _told(mended, left)
    assert told[3:6] == [
        f"    found: {LOST.what}",
        "    fixed: trained again",
        "  study: " + LOST.kind,
    ]
    assert told[-2:] == ["    not fixed: no data", "2 findings, 1 fixed, 1 left"]
    assert _told(mended)[-1] == "healthy: 1 finding, all fixed"
    assert Diagnosis(findings=[mended]).is_healthy
    assert not Diagnosis(findings=[mended, left]).is_healthy


def test_json_names_each_finding() -> None:
    (told,) = Diagnosis(findings=[LOST]).as_json()["findings"]
    assert told == {
        "kind": "damaged-weights",
        "study": "small",
        "trial": 3,
        "run_id": "r",
        "what": LOST.what,
        "fixed": False,
        "how": "",
    }


def test_home_without_a_study_is_told(
    tmp_path: Path, call: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--home", tmp_path) == 0
    assert capsys.readouterr().out == f"no study in {tmp_path}: nothing can be off\n"


def _make_foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE other (x)")


DAMAGED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "ledger of garbage": ("mlflow.db", lambda path: path.write_bytes(b"garbage" * 999)),
    "empty ledger": ("mlflow.db", Path.touch),
    "foreign ledger": ("mlflow.db", _make_foreign_database),
    "journal of garbage": ("optuna.journal", lambda path: path.write_bytes(b"\0\xff\xfe\n" * 9)),
    "journal of lists": ("optuna.journal", lambda path: path.write_bytes(b"[]\n")),
    "journal of unknown words": (
        "optuna.journal",
        lambda path: path.write_bytes(b'{"op_code": 77}\n'),
    ),
}


@pytest.mark.parametrize("words", [[], ["--fix"]], ids=["look", "fix"])
@pytest.mark.parametrize(("name", "damage"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_store_gives_one_clear_error(
    tmp_path: Path,
    call: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[Path], object],
    words: list[str],
) -> None:
    path = tmp_path / name
    damage(path)
    content = path.read_bytes()
    assert call("--home", tmp_path, *words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: {path}: got ")
    assert told.err.count("\n") == 1
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "pipe"])
def test_steps_are_told_on_stderr_alone(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,  # noqa: FBT001 - pytest passes arguments by name
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with Steps(seconds_between=0.0) as steps:
        steps.show("small: reading run 1 of 2")
    with Steps() as quick:
        quick.show("quick")
    told = capsys.readouterr()
    assert told.out == ""
    assert "small: reading run 1 of 2" in told.err
    assert ("quick" in told.err) is is_terminal
