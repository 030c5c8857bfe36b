"""Code that a record or a study names is the user's own, or it is not imported."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.app import trust
from pipeline.app.workspace import Workspace
from pipeline.cli import main
from pipeline.config import StudyConfig, TrialConfig, check_study
from pipeline.errors import BadInputError
from pipeline.learning.custom.sources import source_files
from pipeline.tracking.client import connect
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import StudyState
from tests.tracking.builders import outcome, row

MODULE = "planted_by_a_stranger"
CODE = """
from pathlib import Path

Path("imported").touch()
"""
OTHER_USER = 54_321


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a module that leaves a mark when it is imported."""
    for name in ("PIPELINE_HOME", "PIPELINE_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / f"{MODULE}.py").write_text(CODE)
    package = tmp_path / f"{MODULE}_package"
    package.mkdir()
    (package / "__init__.py").write_text(CODE)
    (package / "inner.py").touch()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(MODULE)]:
        del sys.modules[name]


def own_study(class_path: str, section: str = "model") -> StudyConfig:
    """A study that names a class."""
    return check_study(
        {
            "name": "theirs",
            "data": {"name": "digits"},
            "model": {"name": "mlp"},
            "space": {"depth": 0, "batch_size": 32, "learning_rate": 0.1},
            "training": {"epochs": 3},
            "search": {"trials": 1},
        }
        | ({"space": {}} if section == "model" else {})
        | {section: {"class_path": class_path}},
        "theirs.yaml",
    )


def own_trial(class_path: str, section: str = "model") -> TrialConfig:
    """Its only trial."""
    study = own_study(class_path, section)
    built_in = {"depth": 0, "input_dropout": 0.0, "weight_decay": 0.0}
    built_in |= {"batch_size": 32, "learning_rate": 0.1}
    return TrialConfig(
        study=study.name,
        number=0,
        study_seed=0,
        data=study.data,
        model=study.model,
        training=study.training.of_trial({}),
        params={"batch_size": 32} if section == "model" else built_in,
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, since making one takes two seconds."""
    home = tmp_path_factory.mktemp("template")
    connect(tracking_uri(home), artifact_root(home))
    return home / "mlflow.db"


@pytest.fixture
def home(template: Path, folder: Path) -> Path:
    """The default home with an empty store."""
    path = folder / "mlruns"
    path.mkdir()
    shutil.copy(template, path)
    return path


def record(home: Path, class_path: str, section: str = "model") -> None:
    """Write a study's only trial as its author's machine would have."""
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0)
    trial = own_trial(class_path, section)
    ledger.open(own_study(class_path, section))
    ledger.start(trial)
    ledger.finish(trial, outcome(0))
    ledger.close(StudyState(rows=[row(0)], is_done=True))


def answer(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    """Run the command line here and give its exit code."""
    monkeypatch.setattr(sys, "argv", ["pipeline", *words])
    with pytest.raises(SystemExit, match=r"^\d+$") as left:
        main()
    return left.value.code


@pytest.mark.parametrize("section", ["model", "data"])
@pytest.mark.parametrize("class_path", [f"{MODULE}.Net", f"{MODULE}_package.inner.Net"])
def test_a_stranger_s_record_runs_no_code_before_it_is_trusted(
    class_path: str,
    section: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record(home, class_path, section)
    capsys.readouterr()
    before = list(sys.path)
    for command in ("reproduce", "confirm", "refit", "export"):
        assert answer(monkeypatch, command, "theirs") == 2
        told = capsys.readouterr().err
        assert f"{section}.class_path: {class_path} ({home.parent}/{MODULE}" in told
        assert "is code that you have not run in this study; --trust-code imports it" in told
        assert not Path("imported").exists()
        assert not trust.trusted_file().exists()
        assert sys.path == before, "else Python's own imports would find the stranger's files"
    assert answer(monkeypatch, "reproduce", "theirs", "--trust-code") == 2
    assert "Net is not in its module" in capsys.readouterr().err
    Path("imported").unlink()


def test_trust_is_asked_for_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(home, f"{MODULE}.Net")
    assert answer(monkeypatch, "refit", "theirs", "--trust-code") == 2
    capsys.readouterr()
    assert answer(monkeypatch, "reproduce", "theirs") == 2
    assert "Net is not in its module" in capsys.readouterr().err


def test_what_was_run_is_trusted_in_its_own_study_home_and_file_alone(folder: Path) -> None:
    config, trial = own_study(f"{MODULE}.Net"), own_trial(f"{MODULE}.Net")
    workspace = Workspace(home=folder / "mlruns", tracking_uri=None)
    code = trust.check_study(config, workspace, "theirs.yaml")
    trust.remember(config.name, code, workspace)
    trust.remember(config.name, code, workspace)
    assert len(trust.trusted_file().read_text().splitlines()) == 1
    trust.check_trial(trial, workspace, where="run")
    elsewhere = replace(workspace, home=folder / "copy")
    of_another_class = own_trial(f"{MODULE}_package.inner.Net")
    of_another_study = trial.model_copy(update={"study": "other"})
    for config_, place_ in (
        (trial, elsewhere),
        (of_another_class, workspace),
        (of_another_study, workspace),
    ):
        with pytest.raises(BadInputError, match="code that you have not run in this study"):
            trust.check_trial(config_, place_, where="run")
    assert not Path("imported").exists()


def test_a_password_is_not_remembered(folder: Path) -> None:
    workspace = Workspace(home=folder, tracking_uri="postgresql://me:secret@host/db")
    code = trust.find_code(own_study(f"{MODULE}.Net"), where="theirs.yaml")
    trust.remember("theirs", code, workspace)
    assert "secret" not in trust.trusted_file().read_text()


def test_a_folder_that_cannot_be_written_costs_the_trust_alone(folder: Path) -> None:
    (folder / "state").write_text("no folder")
    workspace = Workspace(home=folder, tracking_uri=None)
    code = trust.find_code(own_study(f"{MODULE}.Net"), where="theirs.yaml")
    trust.remember("theirs", code, workspace)
    with pytest.raises(BadInputError, match="--trust-code imports it if you trust it"):
        trust.check_trial(own_trial(f"{MODULE}.Net"), workspace, where="run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("given_away", ["theirs.yaml", f"{MODULE}.py"])
def test_run_refuses_files_of_another_user(
    given_away: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = own_study(f"{MODULE}.Net").model_dump_json()
    Path("theirs.yaml").write_text(text)
    os.chown(given_away, OTHER_USER, -1)
    assert answer(monkeypatch, "run", "theirs.yaml") == 2
    told = capsys.readouterr().err
    assert f"{given_away} belongs to another user (uid {OTHER_USER})" in told
    assert not Path("imported").exists()
    assert not (folder / "mlruns").exists()
    assert answer(monkeypatch, "run", "theirs.yaml", "--trust-code") == 2
    assert "Net is not in its module" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["antigravity", "sys", "os.path", "xml.dom.minidom"])
def test_python_s_own_modules_are_refused_unimported(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    with pytest.raises(BadInputError, match="is of Python's own library"):
        trust.check_study(own_study(f"{module}.Net"), Workspace(trusts_code=True), "theirs.yaml")
    assert "antigravity" not in sys.modules


def found(class_path: str, *folders: Path) -> list[str]:
    """The names of the files that importing a class runs first."""
    files = source_files(class_path, folders, where="file", key="model.class_path")
    return [path.name for path in files]


def test_files_are_found_in_the_order_in_which_python_would_run_them(folder: Path) -> None:
    (folder / "spread" / "below").mkdir(parents=True)
    (folder / "spread" / "below" / "net.py").touch()
    known: dict[str, Any] = dict(sys.modules)
    assert found(f"{MODULE}_package.inner.Net", folder) == ["__init__.py", "inner.py"]
    assert found(f"{MODULE}.inner.Net", folder) == [f"{MODULE}.py"]
    assert found("spread.below.net.Net", folder) == ["net.py"]
    assert found("no_such_module_of_mine.Net", folder) == []
    assert found("pytorch_lightning.LightningModule", folder) == ["__init__.py"]
    assert dict(sys.modules) == known
