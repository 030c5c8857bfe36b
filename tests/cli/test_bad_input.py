import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.typed import FILE, MISSING, TEXT, Answer, TypeIn, changed, snapshot
from tests.warm.python import PYTHON

GRID = {
    "search.sampler": "grid",
    "space": {"depth": 0, "batch_size": {"choices": [8, 16]}, "learning_rate": 0.1},
    "trials": [],
}
BOMB = "a: &a [1, 2, 3, 4, 5, 6, 7, 8]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture(autouse=True)
def _good_study(folder: Path) -> None:
    """A good study, and a file where a folder is wanted."""
    (folder / FILE).write_text(TEXT)
    (folder / "file").write_text("no folder")


def one(id_: str, key: str, value: Any, *words: str) -> Any:
    """A case of one wrong value."""
    return pytest.param({key: value}, [f"{FILE}: {key}", *words], id=id_)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        one("unknown section", "trainig", {}, "unknown key, did you mean 'training'?"),
        one("unknown key of a range", "space.dropout.hihg", 1, "did you mean 'high'?"),
        one("key of the cnn", "space.filters", 8, "a parameter of cnn, not of this model"),
        one("no such layer", "space.width_5", 16, "the largest depth is 2"),
        one(
            "epochs of 0",
            "training.epochs",
            {"low": 0, "high": 3},
            ".low: got 0, expected a number",
        ),
        one(
            "epochs twice", "space.epochs", 3, "not allowed here: training.epochs is a number, a ra"
        ),
        one(
            "counted twice", "space.dropout.per_layer", "depth", "expected true or false, since dep"
        ),
        one(
            "every trial's", "space.dropout.when", {"depth": {"at_least": 2}}, "every trial has dro"
        ),
        one(
            "a condition on nothing",
            "space.max_norm",
            {"low": 1, "high": 3, "when": {"dept": {"at_least": 2}}},
            ".when.dept: unknown key, did you mean 'depth'?",
        ),
        one(
            "a condition that always holds",
            "space.max_norm",
            {"low": 1, "high": 3, "when": {"depth": {"at_most": 2}}},
            ".when.depth.at_most: got 2, expected a number from ",
        ),
        one("no data", "data", MISSING, "required, but missing"),
        one("list for a section", "space", [1], "got [1], expected a map"),
        one("dropout up to 1", "space.dropout.high", 1, "got 1, expected a number below 1"),
        one("depth of -1", "space.depth", -1, "got -1, expected a number of at least 0"),
        one("seed of 10**30", "search.seed", 10**30, "a number of at most 4,294,967,295"),
        one("validation of all rows", "data.validation", 1_438, "1 to 1,437 of 1,438 rows"),
        one("validation too small", "data.validation", 0.0001, "got 0.0001 (0 of 1,438 rows)"),
        one("test of too many rows", "data.test", 5_000, "got 5000, expected 1 to 1,795 of 1,797"),
        one("fixed trial above", "trials.0.depth", 3, "a whole number from 1 to 2 (space.depth)"),
        pytest.param(
            {"search.sampler": "grid"},
            [f"{FILE}: space.dropout_1: got a range without a step", "the sampler is grid"],
            id="grid without a step",
        ),
        pytest.param(
            GRID,
            [f"{FILE}: search.trials: got 6, expected at most 2: the grid has 2 settings"],
            id="more trials than the grid has",
        ),
        pytest.param(
            {"trials.0": {"keep_prob": 0.1}},
            [f"{FILE}: trials.0.keep_prob: got 0.1 (dropout 0.9)", "0.0 to 0.6"],
            id="fixed trial's keep_prob below",
        ),
    ],
)
def test_run_refuses_a_wrong_value_and_writes_nothing(
    changes: dict[str, Any], words: Sequence[str], type_in: TypeIn
) -> None:
    Path(FILE).write_text(changed(changes))
    type_in("run", FILE).refuses(*words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "the file is empty", id="empty file"),
        pytest.param("hello", "got 'hello', expected a map of the study's sections", id="text"),
        pytest.param("name: [a\n", "not valid: while parsing", id="not YAML"),
        pytest.param("a: !!python/object/apply:os.mkdir [hacked]", "YAML tags", id="code"),
        pytest.param(BOMB, "more than 20,000 values", id="bomb"),
        pytest.param(bytes(range(256)), "bytes that are not UTF-8 text", id="binary"),
        pytest.param("#" * 2_000_000, "at most 1,000,000 bytes", id="large file"),
    ],
)
def test_run_refuses_a_file_that_is_no_study_and_writes_nothing(
    content: str | bytes, words: str, type_in: TypeIn
) -> None:
    Path(FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    type_in("run", FILE).refuses(f"error: {FILE}: ", words)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run", ["Missing argument 'FILE'"]),
        ("run missing.yaml", ["missing.yaml: got no such file or directory, expected a readable"]),
        ("run .", [".: got is a directory, expected a readable study file"]),
        ("run study.yaml more", ["unexpected extra argument (more)"]),
        ("run study.yaml --trials 0", ["'--trials': 0 is not in the range x>=1"]),
        ("run study.yaml --trials many", ["'--trials': 'many' is not a valid integer"]),
        ("run study.yaml --trials 999999", ["search.trials: got 999999", "at most 100,000"]),
        ("run study.yaml --workers 0", ["'--workers': 0 is not in the range 1<=x<=1024"]),
        ("run study.yaml --workers two", ["'--workers': 'two' is not a valid integer"]),
        ("run study.yaml --engine spark", ["'--engine': 'spark' is not"]),
        (
            "run study.yaml --engine ray --gpus 0",
            ["--gpus: not allowed with a Ray cluster", "resources: {gpus: 0.25}"],
        ),
        (
            "run study.yaml --gpus 0 --set training.device=cpu",
            ["study.yaml: training.device: got cpu, expected auto or cuda with --gpus"],
        ),
        ("run study.yaml --bogus", ["No such option '--bogus'"]),
        ("run study.yaml --set", ["'--set' requires an argument"]),
        ("run study.yaml --set search.seed", ["--set: got 'search.seed', expected KEY=VALUE"]),
        ("run study.yaml --set =5", ["--set: got '=5', expected KEY=VALUE"]),
        ("run study.yaml --set search..seed=5", ["--set: got 'search..seed=5'"]),
        (
            "run study.yaml --set search.seed=-1",
            ["search.seed: got -1, expected a number of at least 0"],
        ),
        ("run study.yaml --set search.sead=1", ["search.sead: unknown key, did you mean 'seed'?"]),
        (
            "run study.yaml --set name.x=1",
            ["--set: name.x: there is no such key: 'small' is a value"],
        ),
        (
            "run study.yaml --set trials.9.depth=1",
            ["--set: trials.9.depth: got '9', expected an index below 1"],
        ),
        ("run study.yaml --set name=[", ["--set name: line 1: not valid: while parsing"]),
        ("run study.yaml --set name=!!str", ["--set name: line 1: YAML tags such as"]),
        ("run study.yaml --home file", ["--home: got", "file (a file), expected a folder"]),
        ("run study.yaml --home file/below", ["--home: got", "file (a file), expected a folder"]),
        ("run study.yaml --data-dir nowhere", ["--data-dir: nowhere does not exist"]),
        (
            "run study.yaml --data-dir file",
            ["--data-dir: file is a file; a folder"],
        ),
        ("run study.yaml --storage banana", ["--storage: got banana", "expected a database URL"]),
        ("run study.yaml --storage sqlite:////nowhere/x.db", ["--storage: got sqlite:////nowhere"]),
        ("show", ["Missing argument 'STUDY'"]),
        ("show nosuch", ["study: no study 'nosuch': mlruns has none yet"]),
        ("show nosuch --home file", ["--home: got ", "file (a file), expected a folder"]),
        ("show nosuch --storage banana", ["--storage: got banana", "expected a database URL"]),
        ("list --storage banana", ["--storage: got banana", "expected a database URL"]),
        ("reproduce", ["Missing argument 'STUDY|RUN_ID'"]),
        ("reproduce nosuch", ["no study 'nosuch'"]),
        (f"reproduce {'0' * 32}", ["no study '0000"]),
        ("reproduce nosuch --trial x", ["--trial: got 'x', expected a trial's number or 'best'"]),
        ("reproduce nosuch --trial -1", ["--trial: got '-1', expected a trial's number"]),
        ("reproduce nosuch --gpus 0 --engine ray", ["--gpus: not allowed with a Ray cluster"]),
        ("reproduce nosuch --trial 7", ["no study 'nosuch'"]),
        ("bundle nosuch", ["study: no study 'nosuch': mlruns has none yet"]),
        ("bundle nosuch --weights some", ["'some' is not one of 'best', 'all', 'none'"]),
        ("diff nosuch other", ["study: no study 'nosuch': mlruns has none yet"]),
        ("import missing.tar", ["missing.tar: got no such file, expected a file that"]),
        ("import .", [".: got no regular file, expected a file that `pipeline bundle` wrote"]),
        ("init study", ["study.yaml: it is there already and is left as it is"]),
        ("confirm", ["Missing argument 'STUDY'"]),
        ("confirm nosuch", ["study: no study 'nosuch': mlruns has none yet"]),
        ("confirm nosuch --home file", ["--home: got ", "file (a file), expected a folder"]),
        ("confirm nosuch --top 0", ["'--top': 0 is not in the range 1<=x<=1000"]),
        ("confirm nosuch --top best", ["'--top': 'best' is not a valid integer"]),
        ("confirm nosuch --seeds 0", ["'--seeds': 0 is not in the range 1<=x<=1000"]),
        ("confirm nosuch --seeds 1001", ["'--seeds': 1001 is not in the range 1<=x<=1000"]),
        ("confirm nosuch --workers 0", ["'--workers': 0 is not in the range 1<=x<=1024"]),
        ("confirm nosuch --engine ray --gpus all", ["--gpus: not allowed with a Ray cluster"]),
        ("confirm nosuch --trial 1", ["No such option '--trial'"]),
        ("report", ["Missing argument 'STUDY'"]),
        ("report nosuch", ["study: no study 'nosuch': mlruns has none yet"]),
        ("report nosuch --home file", ["--home: got ", "file (a file), expected a folder"]),
        ("report nosuch --out=", ["--out': got '', expected a file"]),
        ("report nosuch --trial 1", ["No such option '--trial'"]),
        ("refit", ["Missing argument 'STUDY'"]),
        ("refit nosuch", ["study: no study 'nosuch': mlruns has none yet"]),
        ("refit nosuch --trial x", ["--trial: got 'x', expected a trial's number or 'best'"]),
        ("refit nosuch --engine spark", ["'--engine': 'spark' is not"]),
        ("refit nosuch --trial 1.5", ["--trial: got '1.5', expected a trial's number"]),
        ("ui --port 99999", ["'--port': 99999 is not in the range 0<=x<=65535"]),
        ("ui", ["mlruns: got", "expected a home with a study in it"]),
        ("schema more", ["unexpected extra argument (more)"]),
        ("bogus", ["No such command 'bogus'"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "told",
)
def test_a_command_refuses_bad_words_and_writes_nothing(
    command: str, words: Sequence[str], type_in: TypeIn
) -> None:
    type_in(*command.split()).refuses(*words)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("banana", "MLFLOW_TRACKING_URI: got banana, expected"),
        ("banana://x", "MLFLOW_TRACKING_URI: got banana://x, expected"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1: got"),
        ("sqlite:////nowhere/mlflow.db", "/nowhere/mlflow.db: got no such file"),
        ("postgresql://user:secret@127.0.0.1:1/x", "127.0.0.1:1/x: got"),
    ],
    ids=lambda value: value,
)
@pytest.mark.parametrize(
    "command", ["run study.yaml", "reproduce nosuch", "confirm nosuch", "refit nosuch"]
)
def test_a_command_refuses_an_address_without_mlflow_and_shows_no_password(
    command: str, address: str, words: str, monkeypatch: pytest.MonkeyPatch, type_in: TypeIn
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    answer = type_in(*command.split())
    answer.refuses(words)
    assert "secret" not in answer.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_run_refuses_a_home_that_is_read_only(folder: Path, type_in: TypeIn) -> None:
    home = folder / "locked"
    home.mkdir(mode=0o500)
    type_in("run", FILE, "--home", str(home)).refuses("--home: got")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run missing.yaml --json", "error: missing.yaml: got no such file"),
        ("run study.yaml --set space.dropout=1", "error: study.yaml: space.dropout: got 1"),
        ("show nosuch --json", "error: study: no study 'nosuch'"),
        ("run study.yaml --trials none", "error: Invalid value for '--trials'"),
    ],
    ids=lambda value: value,
)
def test_the_installed_command_refuses_bad_input_and_writes_nothing(
    command: str, words: str, folder: Path
) -> None:
    before = snapshot(folder)
    program = Path(PYTHON).with_name("pipeline")
    done = subprocess.run(
        [str(program), *command.split()], capture_output=True, text=True, timeout=60, check=False
    )
    Answer(code=done.returncode, stdout=done.stdout, stderr=done.stderr).refuses(words)
    assert snapshot(folder) == before
