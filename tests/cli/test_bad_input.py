import os
import subprocess
import sys
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.cli.typed import FILE, MISSING, TEXT, Answer, TypeIn, changed, snapshot

TRUE, FALSE = True, False
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


CNN = {
    "model": {"name": "cnn"},
    "space": {
        "blocks": 2,
        "filters": 8,
        "block_dropout": 0.1,
        "width": 16,
        "dropout": 0.5,
        "batch_size": 32,
        "learning_rate": 0.001,
    },
    "trials": [],
}
OWN = {"model": {"class_path": "my_package.MyModule"}, "space": {"hidden": 8}, "trials": []}


def of(model: dict[str, Any], id_: str, key: str, value: Any, *words: str) -> Any:
    """A case of one wrong value in a study of another model."""
    return pytest.param(deepcopy(model) | {key: value}, [f"{FILE}: {key}", *words], id=id_)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        of(CNN, "cnn's key misspelt", "space.filtres", 8, "an unknown key, expected 'filters'"),
        of(CNN, "cnn without filters", "space.filters", MISSING, "filters or filters_1, since"),
        of(CNN, "too many blocks", "space.blocks", 11, "a whole number from 1 to 10"),
        of(CNN, "no such block", "space.filters_3", 8, "the largest number of blocks, which is 2"),
        of(CNN, "cnn's regularizer", "space.regularizer", "x", "dropout, channel-dropout, drop"),
        of(CNN, "block_keep_prob of 0", "space.block_keep_prob_1", 0, "got 0, expected", "above 0"),
        of(CNN, "cnn's fixed trial", "trials", [{"filters": 9}], ".0.filters: got 9, expected 8"),
        of(OWN, "flag", "space.flag", TRUE, "got true, expected a number", "1 stands for true"),
        of(OWN, "no argument", "space._hidden", 1, "expected a name that an argument can have"),
        of(OWN, "number in quotes", "space.hidden", "12", "expected a text that is no number"),
        one("key of the cnn", "space.filters", 8, "an unknown key (cnn has it), expected one of"),
        one("regularizer of the cnn", "space.regularizer", "channel-dropout", "dropconnect, or a"),
        one("no such activation", "space.activation", "swish", "got 'swish', expected one of relu"),
        one("largest norm of 0", "space.max_norm", 0, "got 0, expected a number above 0"),
        one("class without a package", "model", {"class_path": "Net"}, "my_package.MyModule"),
        one("unknown section", "trainig", {}, "an unknown key, expected 'training'"),
        one("unknown key of data", "data.nam", 1, "an unknown key, expected 'name'"),
        one("unknown key of model", "model.layers", 3, "an unknown key, expected one of name"),
        one("unknown key of space", "space.dropuot", 0.5, "an unknown key, expected 'dropout'"),
        one("unknown key of a range", "space.dropout.hihg", 1, "an unknown key, expected 'high'"),
        one("unknown key of choices", "space.width.choice", 1, "unknown key, expected 'choices'"),
        one("unknown key of training", "training.epoch", 1, "unknown key, expected 'epochs'"),
        one("unknown key of search", "search.sample", 1, "an unknown key, expected 'sampler'"),
        one("unknown key of a trial", "trials.0.dropuot", 0.1, "unknown parameter", "dropout_1"),
        one("half a name in a trial", "trials.0.batch", 32, "unknown parameter", "batch_size"),
        one("unknown layer key", "space.width_x", 16, "an unknown key, expected 'width_1'"),
        one("inner key", "space.width_of_layer", {"width_1": 1}, "an unknown key"),
        one("no such layer", "space.width_5", 16, "the largest depth, which is 2"),
        one("no name", "name", MISSING, "got nothing, expected a name"),
        one("no data", "data", MISSING, "got nothing, expected a map"),
        one("no model", "model", MISSING, "got nothing, expected a map"),
        one("no space", "space", MISSING, "got nothing, expected a map with depth"),
        one("no training", "training", MISSING, "got nothing, expected a map with epochs"),
        one("no search", "search", MISSING, "got nothing, expected a map with trials"),
        one("no width", "space.width", MISSING, "got nothing, expected width or width_1"),
        one("no batch size", "space.batch_size", MISSING, "got nothing, expected a whole number"),
        one("no bound", "space.dropout.low", MISSING, "got nothing, expected a number"),
        one("name with a slash", "name", "a/b", "'a/b'", "letters, digits"),
        one("name of two dots", "name", "..", "'..'", "a letter or digit first"),
        one("name with two dots", "name", "a..b", "'a..b'", "no '..'"),
        one("name too long", "name", "x" * 101, "at most 100"),
        one("empty name", "name", "", "got ''"),
        one("name that is a number", "name", 5, "got 5, expected a name"),
        one("name that is a boolean", "name", FALSE, "got false, expected a name"),
        one("question that is a number", "question", 5, "got 5, expected a text"),
        one("text for a section", "data", "digits", "got 'digits', expected a map"),
        one("list for a section", "space", [1], "got [1], expected a map"),
        one("map for a list", "trials", {"depth": 2}, "expected a list"),
        one("number for a trial", "trials", [3], ".0: got 3, expected a map"),
        one("list for a domain", "space.width", [16], "got [16], expected a whole number"),
        one("number for choices", "space.width.choices", 16, "got 16, expected a list"),
        one("choices empty", "space.width.choices", [], "expected a list of 1 to 1,000"),
        one("choices doubled", "space.width.choices", [8, 8], "got 8 2 times", "each value once"),
        one("choices of texts", "space.width.choices", ["a"], ".0: got 'a', expected a whole"),
        one("low above high", "space.dropout", {"low": 0.6, "high": 0.1}, "got 0.6", "is 0.1"),
        one("dropout of 1", "space.dropout", 1.0, "got 1.0, expected", "below 1"),
        one("dropout up to 1", "space.dropout.high", 1, "got 1, expected", "below 1"),
        one("dropout below 0", "space.dropout", -0.1, "got -0.1, expected", "at least 0"),
        one("keep_prob of 0", "space.input_keep_prob", 0, "got 0, expected", "above 0"),
        one("keep_prob and dropout", "space.keep_prob", 0.5, "both keep_prob and dropout"),
        one("depth of -1", "space.depth", -1, "got -1, expected a whole number from 0 to 100"),
        one("depth of 1.5", "space.depth", 1.5, "got 1.5, expected a whole number from 0 to 100"),
        one("depth that is a boolean", "space.depth", TRUE, "got true, expected a whole number"),
        one("depth of 101", "space.depth", {"low": 0, "high": 101}, ".high: got 101"),
        one("width of 0", "space.width", 0, "got 0, expected a whole number from 1 to 65,536"),
        one("batch size of 0", "space.batch_size", 0, "got 0, expected a whole number from 1"),
        one("batch larger than all", "space.batch_size", 10**7, "expected a whole", "1,000,000"),
        one("learning rate of 0", "space.learning_rate", 0, "got 0, expected a number above 0"),
        one("infinite", "space.learning_rate", float("inf"), "got inf, expected a number"),
        one("not a number", "space.learning_rate", float("nan"), "got nan, expected a number"),
        one("text for a number", "space.learning_rate", "fast", "got 'fast', expected a number"),
        one("log from 0", "space.dropout", {"low": 0, "high": 0.5, "log": True}, "log is true"),
        one("log of a text", "space.dropout.log", "yes", "got 'yes', expected true or false"),
        one("log and step", "space.learning_rate.step", 0.001, "no step where log is true"),
        one("step too large", "space.dropout.step", 0.7, "got 0.7", "at most high - low = 0.6"),
        one("step that does not fit", "space.dropout.step", 0.25, "a divisor of high - low"),
        one("step of 0", "space.dropout.step", 0, "got 0, expected a number above 0"),
        one("per_layer of a rate", "space.learning_rate.per_layer", TRUE, "width and dropout only"),
        one("epochs of 0", "training.epochs", 0, "got 0, expected a whole number from 1"),
        one("epochs that are a boolean", "training.epochs", TRUE, "got true, expected a whole"),
        one("epochs in quotes", "training.epochs", "10", "got '10', expected a whole number"),
        one("threads of 0", "training.threads", 0, "got 0, expected a whole number from 1"),
        one("no such device", "training.device", "gpu", "expected one of auto, cpu, cuda, mps"),
        one("no such optimizer", "training.optimizer", "adan", "one of adamw, adam, sgd"),
        one("patience of 0", "training.early_stopping.patience", 0, "got 0, expected a whole"),
        one("no such data set", "data.name", "imagenet", "'imagenet'", "one of mnist-5k, digits"),
        one(
            "no such model",
            "model.name",
            "transformer",
            "'transformer'",
            "one of mlp, cnn, autoenc",
        ),
        one("no such sampler", "search.sampler", "tep", "'tep', expected one of tpe, random"),
        one("no such stopping rule", "search.stopping", "asah", "'asah', expected one of none"),
        one("trials of 0", "search.trials", 0, "got 0, expected a whole number from 1"),
        one("trials below 0", "search.trials", -1, "got -1, expected a whole number from 1"),
        one("seed too large", "search.seed", 2**32, "a whole number from 0 to 4,294,967,295"),
        one("seed of 10**30", "search.seed", 10**30, "a whole number from 0 to 4,294,967,295"),
        one("block of 0", "search.block", 0, "got 0, expected a whole number from 1 to 1,000"),
        one("seconds of 0", "search.max_seconds", 0, "got 0, expected a number above 0"),
        one("validation of 0", "data.validation", 0, "a number above 0 and below 1, or a whole"),
        one("validation of 1.0", "data.validation", 1.0, "got 1.0, expected a number above 0 and"),
        one("validation of 1.5", "data.validation", 1.5, "got 1.5, expected a number above 0 and"),
        one("validation of all rows", "data.validation", 1_438, "1 to 1,437 of 1,438 rows"),
        one("validation too small", "data.validation", 0.0001, "got 0.0001 (0 of 1,438 rows)"),
        one("test of too many rows", "data.test", 5_000, "got 5000, expected 1 to 1,795 of 1,797"),
        one("test below 0", "data.test", -1, "got -1, expected a number above 0 and below 1"),
        one("fixed trial above", "trials.0.depth", 3, "a whole number from 1 to 2 (space.depth)"),
        one("fixed trial too deep", "trials.0", {"depth": 1, "dropout_2": 0.1}, "which is 1"),
        one("fixed trial no choice", "trials.0.width", 24, "expected one of [16, 32]"),
        one("fixed trial changes a constant", "trials.0.weight_decay", 0.1, "0.0, a constant"),
        pytest.param(
            {"trials": [{"depth": 1}] * 7},
            [f"{FILE}: search.trials: got 6, expected at least 7, the number of fixed trials"],
            id="more fixed trials than trials",
        ),
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
        pytest.param("", "got an empty file", id="empty file"),
        pytest.param("- 1\n", "got [1], expected a map of the study's sections", id="list"),
        pytest.param("hello", "got 'hello', expected a map of the study's sections", id="text"),
        pytest.param("name: [a\n", "expected plain YAML", id="not YAML"),
        pytest.param("name: !!str a\n", "line 1: got the YAML tag", id="tag"),
        pytest.param("a: !!python/object/apply:os.mkdir [hacked]", "the YAML tag", id="code"),
        pytest.param(BOMB, "got more than 20,000 values", id="bomb"),
        pytest.param("a: &a [*a]", "got more than 20,000 values", id="endless"),
        pytest.param(bytes(range(256)), "bytes that are not UTF-8 text", id="binary"),
        pytest.param("name: a\0b", "unacceptable character #x0000", id="zero byte"),
        pytest.param(TEXT + "name: b\n", "got the key 'name' twice", id="doubled key"),
        pytest.param(TEXT + "5: b\n", "got a key that is no text (5)", id="number as key"),
        pytest.param(TEXT + "[a]: b\n", "got a key that is no text", id="list as key"),
        pytest.param(TEXT + "---\na: 1\n", "another document", id="two documents"),
        pytest.param("a: " + "[" * 5_000, "nested too deeply", id="deep"),
        pytest.param("a: " + "9" * 5_000, "got a number of 5000 digits", id="huge number"),
        pytest.param("a: 0x" + "f" * 5_000, "got a number of 5002 digits", id="huge hex number"),
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
        ("run study.yaml --trials 999999", ["search.trials: got 999999", "from 1 to 100,000"]),
        ("run study.yaml --workers 0", ["'--workers': 0 is not in the range 1<=x<=1024"]),
        ("run study.yaml --workers two", ["'--workers': 'two' is not a valid integer"]),
        ("run study.yaml --engine spark", ["'--engine': 'spark' is not"]),
        ("run study.yaml --bogus", ["No such option '--bogus'"]),
        ("run study.yaml --set", ["'--set' requires an argument"]),
        ("run study.yaml --set search.seed", ["--set: got 'search.seed', expected KEY=VALUE"]),
        ("run study.yaml --set =5", ["--set: got '=5', expected KEY=VALUE"]),
        ("run study.yaml --set search..seed=5", ["--set: got 'search..seed=5'"]),
        ("run study.yaml --set search.seed=-1", ["search.seed: got -1, expected a whole number"]),
        ("run study.yaml --set search.sead=1", ["search.sead: got an unknown key", "'seed'"]),
        ("run study.yaml --set name.x=1", ["--set: name.x: got a key below the value 'small'"]),
        ("run study.yaml --set trials.9.depth=1", ["--set: trials.9.depth: got '9'", "list of 1"]),
        ("run study.yaml --set name=[", ["--set name: line 1: got", "expected plain YAML"]),
        ("run study.yaml --set name=!!str", ["--set name: line 1: got the YAML tag"]),
        ("run study.yaml --home file", ["--home: got", "file (a file), expected a folder"]),
        ("run study.yaml --home file/below", ["--home: got", "file (a file), expected a folder"]),
        ("run study.yaml --data-dir nowhere", ["--data-dir: got nowhere", "no such folder"]),
        ("run study.yaml --data-dir file", ["--data-dir: got file", "expected an existing folder"]),
        ("run study.yaml --storage banana", ["--storage: got banana", "expected a database URL"]),
        ("run study.yaml --storage sqlite:////nowhere/x.db", ["--storage: got sqlite:////nowhere"]),
        ("show", ["Missing argument 'STUDY'"]),
        ("show nosuch", ["study: got 'nosuch', expected a study in mlruns, which has none"]),
        ("show nosuch --home file", ["--home: got ", "file (a file), expected a folder"]),
        ("show nosuch --storage banana", ["--storage: got banana", "expected a database URL"]),
        ("list --storage banana", ["--storage: got banana", "expected a database URL"]),
        ("reproduce", ["Missing argument 'STUDY|RUN_ID'"]),
        ("reproduce nosuch", ["expected"]),
        (f"reproduce {'0' * 32}", ["expected"]),
        ("reproduce nosuch --trial x", ["--trial: got 'x', expected a trial's number or 'best'"]),
        ("reproduce nosuch --trial -1", ["--trial: got '-1', expected a trial's number"]),
        ("reproduce nosuch --trial 7", ["expected"]),
        ("confirm", ["Missing argument 'STUDY'"]),
        ("confirm nosuch", ["study: got 'nosuch', expected a study in mlruns, which has none"]),
        ("confirm nosuch --home file", ["--home: got ", "file (a file), expected a folder"]),
        ("confirm nosuch --top 0", ["'--top': 0 is not in the range 1<=x<=1000"]),
        ("confirm nosuch --top best", ["'--top': 'best' is not a valid integer"]),
        ("confirm nosuch --seeds 0", ["'--seeds': 0 is not in the range 1<=x<=1000"]),
        ("confirm nosuch --seeds 1001", ["'--seeds': 1001 is not in the range 1<=x<=1000"]),
        ("confirm nosuch --workers 0", ["'--workers': 0 is not in the range 1<=x<=1024"]),
        ("confirm nosuch --trial 1", ["No such option '--trial'"]),
        ("refit", ["Missing argument 'STUDY'"]),
        ("refit nosuch", ["study: got 'nosuch', expected a study in mlruns, which has none"]),
        ("refit nosuch --trial x", ["--trial: got 'x', expected a trial's number or 'best'"]),
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
        ("show nosuch --json", "error: study: got 'nosuch'"),
        ("run study.yaml --trials none", "error: Invalid value for '--trials'"),
    ],
    ids=lambda value: value,
)
def test_the_installed_command_refuses_bad_input_and_writes_nothing(
    command: str, words: str, folder: Path
) -> None:
    before = snapshot(folder)
    program = Path(sys.executable).with_name("pipeline")
    done = subprocess.run(
        [str(program), *command.split()], capture_output=True, text=True, timeout=60, check=False
    )
    Answer(code=done.returncode, stdout=done.stdout, stderr=done.stderr).refuses(words)
    assert snapshot(folder) == before
