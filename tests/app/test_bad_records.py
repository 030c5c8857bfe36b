"""A record that is damaged, or was written to do harm, is refused in one sentence."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.store import artifact_root, confine_artifacts, tracking_uri
from pipeline.trial import StudyState
from tests.tracking.builders import config, outcome, row, study

Damage = Callable[[Path], object]
HUGE = "1" + "0" * 400
DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one trial of one study."""
    home = tmp_path_factory.mktemp("recorded") / "mlruns"
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0)
    ledger.open(study())
    ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    ledger.close(StudyState(rows=[row(0)], is_done=True))
    return home


@pytest.fixture
def files(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the trial's files, in a home of its own below the working folder."""
    for name in ("PIPELINE_HOME", "PIPELINE_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(recorded, tmp_path / "mlruns")
    confine_artifacts(tmp_path / "mlruns")
    (found,) = Path("mlruns").rglob("record.json")
    return found.parent


def with_(*path: str, value: Any) -> Damage:
    """Change one value of the record."""

    def damage(file: Path) -> None:
        record = deepcopy(json.loads(file.read_text()))
        section = record
        for part in path[:-1]:
            section = section[part]
        section[path[-1]] = value
        file.write_text(json.dumps(record))

    return damage


def without(key: str) -> Damage:
    """Take a key away."""

    def damage(file: Path) -> None:
        record = json.loads(file.read_text())
        del record[key]
        file.write_text(json.dumps(record))

    return damage


def raw(old: str, new: str) -> Damage:
    """Change the record's text to what JSON has no value for."""

    def damage(file: Path) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return damage


def holding(content: str | bytes) -> Damage:
    """Put something else into the file."""
    written = content if isinstance(content, bytes) else content.encode()
    return lambda file: file.write_bytes(written)


def instead(make: Damage) -> Damage:
    """Put something that is no file in its place."""

    def damage(file: Path) -> None:
        file.unlink()
        make(file)

    return damage


def sparse(n_bytes: int) -> Damage:
    """Make a file of a size that it does not take on the disk."""
    return lambda file: os.truncate(file, n_bytes)


VALUES: dict[str, tuple[Damage, str]] = {
    "format of tomorrow": (with_("format", value=2), "format: "),
    "unknown key": (with_("command", value="rm"), "command: "),
    "no trial": (without("trial"), "trial: "),
    "no seeds": (without("seeds"), "seeds: "),
    "trial that is a text": (with_("trial", value="0"), "trial: "),
    "trial that is nothing": (with_("trial", value=None), "trial: "),
    "number that is a text": (with_("trial", "number", value="0"), "trial.number: "),
    "number below 0": (with_("trial", "number", value=-1), "trial.number: "),
    "number that is a boolean": (with_("trial", "number", value=True), "trial.number: "),
    "number of another trial": (with_("trial", "number", value=7), "the record of trial 7"),
    "another study's": (with_("trial", "study", value="other"), "of 'other'"),
    "study that is a path": (with_("trial", "study", value="../../etc"), "trial.study: "),
    "study that is absolute": (with_("trial", "study", value="/etc"), "trial.study: "),
    "seed below 0": (with_("trial", "study_seed", value=-1), "trial.study_seed: "),
    "seed too large": (with_("trial", "study_seed", value=2**32), "trial.study_seed: "),
    "seed without end": (raw('"study_seed": 0', f'"study_seed": {HUGE}'), "trial.study_seed: "),
    "seed not a number": (raw('"study_seed": 0', '"study_seed": NaN'), "trial.study_seed: "),
    "repeat below 0": (with_("trial", "repeat", value=-1), "trial.repeat: "),
    "no such data": (with_("trial", "data", "name", value="secrets"), "trial.data.name: "),
    "two kinds of data": (with_("trial", "data", "class_path", value="a.B"), "trial.data: "),
    "data by a path": (with_("trial", "data", "path", value="/etc/passwd"), "trial.data: "),
    "no such model": (with_("trial", "model", "name", value="gpt"), "trial.model.name: "),
    "class path of a command": (
        with_("trial", "model", value={"class_path": "rm -rf /"}),
        "trial.model.class_path: ",
    ),
    "class of Python's own": (
        lambda file: (
            with_("trial", "model", value={"class_path": "os.system"})(file),
            with_("trial", "params", value={"command": "touch hacked"})(file),
        ),
        "os.system is of Python's own library",
    ),
    "epochs without end": (with_("trial", "training", "epochs", value=10**9), "training.epochs: "),
    "no such device": (with_("trial", "training", "device", value="/dev/sda"), "training.device: "),
    "threads without end": (with_("trial", "training", "threads", value=10**9), "training.thr"),
    "no parameters": (with_("trial", "params", value={}), "trial: "),
    "parameters in a list": (with_("trial", "params", value=[1]), "trial.params: "),
    "unknown parameter": (with_("trial", "params", "secret", value=1), "trial: "),
    "dropout of 2": (with_("trial", "params", "dropout_1", value=2.0), "trial: "),
    "width without end": (with_("trial", "params", "width", value=10**12), "trial: "),
    "depth below 0": (with_("trial", "params", "depth", value=-1), "trial: "),
    "parameter in a map": (with_("trial", "params", "width", value={"a": 1}), "trial.params.width"),
    "rate not a number": (raw('"learning_rate": 0.001', '"learning_rate": NaN'), "learning_rate"),
    "rate without end": (raw('"learning_rate": 0.001', '"learning_rate": 1e999'), "learning_rate"),
    "seeds that are texts": (with_("seeds", value={"order": "x"}), "seeds.order: "),
    "no such state": (with_("state", value="WON"), "state: "),
    "cause that is a list": (with_("cause", value=["x"]), "cause: "),
    "epochs run below 0": (with_("epochs_run", value=-1), "epochs_run: "),
    "more epochs than the study's": (with_("epochs_run", value=4), "at most 3, the study's epochs"),
    "best epoch of none": (with_("best_epoch", value=0), "one of the 3 epochs that were run"),
    "best epoch behind the end": (with_("best_epoch", value=9), "one of the 3 epochs"),
    "digest that is a number": (with_("curves_sha256", value=5), "curves_sha256: "),
    "weights' digest that is a map": (with_("weights_sha256", value={}), "weights_sha256: "),
    "facts that are a text": (with_("facts", value="torch"), "facts"),
    "sources that are a list": (with_("facts", "sources", value=["a"]), "facts.sources: "),
    "threads that are a text": (with_("facts", "threads", value="all"), "facts.threads: "),
}
FILES: dict[str, tuple[Damage, str]] = {
    "empty": (holding(""), "Invalid JSON"),
    "cut": (lambda file: os.truncate(file, 200), "Invalid JSON"),
    "binary": (holding(bytes(range(256))), "Invalid JSON"),
    "UTF-16": (holding("{}".encode("utf-16")), "Invalid JSON"),
    "pickle": (holding(b"\x80\x04cos\nsystem\n(S'touch hacked'\ntR."), "Invalid JSON"),
    "YAML with a tag": (holding("!!python/object/apply:os.mkdir [hacked]"), "Invalid JSON"),
    "list": (holding("[]"), "record.json is damaged"),
    "nothing": (holding("null"), "record.json is damaged"),
    "number": (holding(HUGE), "record.json is damaged"),
    "deep": (holding(DEEP), "record.json is damaged"),
    "large": (sparse(11_000_000), "it has 11,000,000 bytes, of at most 10,000,000"),
    "missing": (Path.unlink, "record.json is damaged"),
    "folder": (instead(Path.mkdir), "it is no file"),
    "pipe": (instead(os.mkfifo), "it is no file"),
    "device": (instead(lambda file: file.symlink_to("/dev/zero")), "it is no file"),
    "link to nowhere": (instead(lambda file: file.symlink_to("nowhere")), "No such file"),
    "link to itself": (instead(lambda file: file.symlink_to(file.name)), "symbolic links"),
}
WEIGHTS: dict[str, tuple[Damage, str]] = {
    "weights missing": (Path.unlink, "weights.safetensors is damaged"),
    "weights in a folder": (instead(Path.mkdir), "it is no file"),
    "weights through a pipe": (instead(os.mkfifo), "it is no file"),
    "weights of 1 TiB": (sparse(2**40), "it has 1,099,511,627,776 bytes"),
}


def refuses(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Hold a command to the promise: one clear error, exit code 1 or 2, nothing written."""
    before = _snapshot()
    monkeypatch.setattr(sys, "argv", ["pipeline", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^[12]$"):
        main()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("error: ") == 1, printed.err
    assert printed.err.splitlines()[-1].startswith("error: "), printed.err
    assert "traceback" not in printed.err.casefold()
    assert _snapshot() == before
    return printed.err


def _snapshot() -> dict[str, str | int]:
    """Every file's SHA-256 by its path; of a file too large to read, its size."""
    return {str(path): _content(path) for path in sorted(Path().rglob("*"))}


def _content(path: Path) -> str | int:
    if not path.is_file():
        return "no file"
    size = path.stat().st_size
    return size if size > 10**8 else hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("case", [*VALUES, *FILES])
def test_a_record_that_is_wrong_is_refused(
    case: str, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, said = (VALUES | FILES)[case]
    damage(files / "record.json")
    told = refuses(["reproduce", "digits", "--trial", "0"], monkeypatch, capsys)
    assert said in told
    assert files.parent.name in told, "the run is named"


@pytest.mark.parametrize("command", ["refit", "confirm"])
@pytest.mark.parametrize("case", ["class of Python's own", "pickle", "device", "width without end"])
def test_no_command_reads_a_record_that_is_wrong(
    command: str,
    case: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage, said = (VALUES | FILES)[case]
    damage(files / "record.json")
    assert said in refuses([command, "digits"], monkeypatch, capsys)
    assert not Path("hacked").exists()


@pytest.mark.parametrize("case", list(WEIGHTS))
def test_weights_that_cannot_be_read_are_refused(
    case: str, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, said = WEIGHTS[case]
    damage(files / "weights.safetensors")
    assert said in refuses(["reproduce", "digits", "--trial", "0"], monkeypatch, capsys)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: &a [*a]", "more than 20,000 values"),
        ("a: !!python/object/apply:os.mkdir [hacked]", "YAML tags such as"),
        ("trials: 5", "study.yaml is damaged"),
        ("- 1", "expected a map"),
        ("[" * 100_000, "nested deeper than 50 levels"),
    ],
    ids=["bomb", "tag", "number of trials", "list", "deep"],
)
def test_a_study_file_in_mlflow_is_read_as_carefully_as_a_user_s(
    content: str,
    said: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (found,) = Path("mlruns").rglob("study.yaml")
    assert found.parent != files
    found.write_text(content)
    assert said in refuses(["confirm", "digits"], monkeypatch, capsys)
    assert not Path("hacked").exists()
