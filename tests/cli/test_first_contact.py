"""What somebody meets who has only installed the package."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dropout_search import find_hiding_file
from pipeline.app import first_study
from pipeline.app.first_study import EXAMPLES, example_file, write_first_study
from pipeline.cli import main
from pipeline.cli.answer import as_typed
from pipeline.cli.commands import beginning
from pipeline.config import load_study
from pipeline.errors import BadInputError
from pipeline.learning.cohort.fit import fit_cohort
from tests.app.studies import ROOT, with_store
from tests.cli.typed import TypeIn, snapshot
from tests.fakes import FakeEngine

SHADOW = "raise SystemExit('the file of the user was run')"


def typed(monkeypatch: pytest.MonkeyPatch, *words: str, name: str = "pipeline") -> int | str | None:
    """Run the command line in this process and give its exit code."""
    monkeypatch.setattr(sys, "argv", [name, *words])
    with pytest.raises(SystemExit, match=r"^\d+$") as left:
        main()
    return left.value.code


def test_examples_are_those_that_the_commands_name_and_each_is_sound() -> None:
    assert beginning.EXAMPLES == EXAMPLES
    found = example_file(EXAMPLES[0]).parent.iterdir()
    assert sorted(path.stem for path in found) == sorted(EXAMPLES)
    for example in EXAMPLES:
        assert load_study(example_file(example)).data.name == example


def test_example_of_mnist_5k_is_the_study_of_the_demo() -> None:
    study = ROOT / "studies/mnist_5k_mlp.yaml"
    assert load_study(example_file("mnist-5k")) == load_study(study)
    lines = [path.read_text().splitlines() for path in (example_file("mnist-5k"), study)]
    other = [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]]
    assert other == [
        (
            "# Command:  pipeline run --example mnist-5k",
            "# Command:  pipeline run studies/mnist_5k_mlp.yaml",
        )
    ]


@pytest.mark.parametrize("example", EXAMPLES)
def test_init_writes_a_study_file_of_that_name(
    example: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert typed(monkeypatch, "init", "mine", "--example", example, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"path": "mine.yaml", "example": example}
    study = load_study(folder / "mine.yaml")
    assert study.model_copy(update={"name": ""}) == load_study(example_file(example)).model_copy(
        update={"name": ""}
    )
    assert study.name == "mine"
    text = (folder / "mine.yaml").read_text()
    assert " run mine.yaml" in text
    assert "study.yaml" not in text


def test_init_leaves_an_older_file_alone(folder: Path, type_in: TypeIn) -> None:
    write_first_study()
    assert list(folder.iterdir()) == [folder / "study.yaml"]
    type_in("init").refuses("study.yaml: it is there already and is left as it is")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "", ".yaml", "a b", "\x1b[31m", "a/b"])
def test_init_refuses_what_is_no_name(name: str, type_in: TypeIn) -> None:
    type_in("init", name).refuses("NAME: got", "a name of at most 100 letters")


def test_init_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"study\.yaml: it cannot be written: No such file"):
        write_first_study(folder=tmp_path / "none")


def test_run_takes_a_file_or_an_example(type_in: TypeIn) -> None:
    type_in("run").refuses("Missing argument 'FILE'; `pipeline init` writes one")
    both = ("study.yaml", "--example", "digits")
    type_in("run", *both).refuses("--example: not allowed with FILE")


@pytest.mark.slow
def test_run_of_an_example_needs_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def engine(*_job: object, **_limits: object) -> Iterator[FakeEngine]:
        yield FakeEngine(fit_cohort)

    monkeypatch.setattr("pipeline.app.running.start_engine", engine)
    with_store(folder / "mlruns")
    words = ("--trials", "1", "--set", "training.epochs=1")
    assert typed(monkeypatch, "run", "--example", "digits", *words, name="dropout-search") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("study digits: 1 complete")
    assert "\n  dropout-search show digits" in printed
    assert "  pipeline " not in printed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  pipeline show x", "  dropout-search show x"),
        ("error: `pipeline run` goes on", "error: `dropout-search run` goes on"),
        ("a pipeline runs", "a pipeline runs"),
        ("/home/pipeline run", "/home/pipeline run"),
    ],
)
def test_other_command_says_its_own_name(
    line: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dropout-search", "list"])
    assert as_typed(line) == said
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pipeline", "list"])
    assert as_typed(line) == line


@pytest.mark.parametrize(
    ("name", "usage"), [("dropout-search", "dropout-search"), ("__main__.py", "pipeline")]
)
def test_help_says_the_name_of_the_command(
    name: str, usage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "--help", name=name) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {usage} [OPTIONS]")


def started(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start Python itself in a folder."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin"} | environment,
    )


@pytest.mark.slow
@pytest.mark.parametrize("file", ["pipeline.py", "pipeline/__init__.py"])
def test_file_that_hides_the_package_is_named_and_not_run(
    file: str, tmp_path: Path, cold_python: str
) -> None:
    del cold_python
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(SHADOW)
    done = started(tmp_path, "-m", "dropout_search", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {path}: hides the package 'pipeline' of Dropout Search; rename it, or "
        "start where neither the working folder nor PYTHONPATH has it\n"
    )
    entry = "import sys; from dropout_search import main; sys.argv = ['pipeline', 'list']; main()"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = started(elsewhere, "-P", "-c", entry, PYTHONPATH=str(tmp_path))
    assert (again.returncode, again.stderr) == (2, done.stderr)


@pytest.mark.slow
def test_folder_that_is_no_package_hides_nothing_of_an_installed_one(
    tmp_path: Path, cold_python: str
) -> None:
    """On Python's path, where pip puts it; of a checkout (``pip install -e``) it is named."""
    del cold_python
    (tmp_path / "pipeline").mkdir()
    done = started(tmp_path, "-m", "dropout_search", "list", PYTHONPATH=str(ROOT))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "no study in mlruns yet; `dropout-search run FILE` makes one\n"


def test_package_is_not_hidden_here() -> None:
    assert find_hiding_file() is None


@pytest.mark.parametrize("file", ["pipeline.py", "pipeline/__init__.py"])
def test_class_in_a_file_that_the_package_hides_is_refused(
    file: str, folder: Path, type_in: TypeIn
) -> None:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(SHADOW)
    study: dict[str, Any] = {
        "name": "own",
        "data": {"name": "digits"},
        "model": {"class_path": "pipeline.MyModule"},
        "space": {"batch_size": 32},
        "training": {"epochs": 1},
        "search": {"trials": 1},
    }
    (folder / "own.yaml").write_text(json.dumps(study))
    told = f"{folder / file} is hidden by this project's package 'pipeline'; rename the file"
    type_in("run", "own.yaml").refuses(f"own.yaml: model.class_path: {told}")


def test_writing_a_first_study_writes_nothing_else(folder: Path) -> None:
    assert first_study.write_first_study("mine.yaml") == Path("mine.yaml")
    assert list(snapshot(folder)) == ["mine.yaml"]
