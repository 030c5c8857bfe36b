from pathlib import Path

import pytest
import yaml

from pipeline.config import load_study
from pipeline.errors import BadInputError
from tests.config.documents import SMALLEST

STUDY = yaml.safe_dump(SMALLEST)
BOMB = "a: &a [1, 2, 3, 4, 5, 6, 7, 8]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "the file is empty", id="empty"),
        pytest.param("# nothing\n", "the file is empty", id="comments only"),
        pytest.param("- 1\n", r"got \[1\], expected a map", id="list"),
        pytest.param("hello", "got 'hello', expected a map", id="text"),
        pytest.param(
            "a: [1\n", r"line 2: not valid: while parsing .*expected ',' or '\]'", id="open list"
        ),
        pytest.param("a:\n\tb: 1", "line 2: not valid: .*cannot start any token", id="tab"),
        pytest.param("name: !!str a", "line 1: YAML tags such as '.*:str' are not", id="tag"),
        pytest.param("a: !!python/name:os.system", "line 1: YAML tags such as", id="python tag"),
        pytest.param("!foo {a: 1}", "line 1: YAML tags such as '!foo'", id="tag of the whole"),
        pytest.param(BOMB, "more than 20,000 values", id="bomb"),
        pytest.param("a: &a [*a]", "more than 20,000 values", id="endless"),
        pytest.param("a: *b", "line 1: not valid: found undefined alias 'b'", id="no such alias"),
        pytest.param("a: 1\na: 2\n", "line 2: .*the key 'a' is given twice", id="doubled key"),
        pytest.param(
            "a: {b: 1, b: 2}\n",
            "line 1: .* 'b' is given twice",
            id="doubled within",
        ),
        pytest.param("5: 1\n", "line 1: not valid: keys must be texts, not 5", id="number as key"),
        pytest.param("yes: 1\n", "keys must be texts, not yes", id="boolean as key"),
        pytest.param("[1]: 1\n", "keys must be texts, not a map or list", id="list as key"),
        pytest.param("{a: 1}: 1\n", "keys must be texts, not a map or list", id="map as key"),
        pytest.param("a: " + "9" * 5_000, "a number has 5000 digits", id="huge"),
        pytest.param("a: 0x" + "f" * 5_000, "a number has 5002 digits", id="huge in hex"),
        pytest.param("a: 0b_\n", "a value cannot be read", id="binary of nothing"),
        pytest.param("a: " + "[" * 3_000, "nested deeper than 50 levels", id="deep"),
        pytest.param("a: 1\n---\nb: 1\n", "line 2: .*another document", id="two documents"),
        pytest.param("a: \0", "unacceptable character #x0000", id="zero byte"),
        pytest.param(b"\xff\xfe\x00", "got bytes that are not UTF-8 text", id="binary"),
        pytest.param("#" * 1_000_001, "got a larger file, .* 1,000,000 bytes", id="large"),
    ],
)
def test_a_study_file_refuses_what_is_no_plain_yaml(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    file = tmp_path / "study.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInputError, match=message) as error:
        load_study(file)
    assert error.value.where == str(file)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("missing.yaml", "got no such file or directory", id="missing"),
        pytest.param(".", "got is a directory", id="folder"),
        pytest.param("x" * 300, "got file name too long", id="long name"),
        pytest.param("/dev/zero", "got a larger file", id="endless file"),
    ],
)
def test_a_study_file_refuses_a_path_that_is_no_file(
    tmp_path: Path, path: str, message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        load_study(tmp_path / path)


def test_a_study_file_may_merge_and_repeat_parts_of_itself(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    fixed = "trials: [&first {depth: 2, width: 16}, {<<: *first, dropout: 0.5}, *first]\n"
    file.write_text(STUDY + fixed)
    depth_and_width = {"depth": 2, "width": 16}
    assert load_study(file).trials == (
        *(depth_and_width, depth_and_width | {"dropout": 0.5}, depth_and_width),
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        pytest.param("training.epochs", "--set: got 'training.epochs', expected KEY", id="no ="),
        pytest.param("=5", "--set: got '=5', expected KEY=VALUE", id="no key"),
        pytest.param("search..seed=5", "--set: got 'search..seed=5'", id="two dots"),
        pytest.param("name.x=5", "name.x: there is no such key: 'small' is", id="below"),
        pytest.param("name=[", "--set name: line 1: not valid: while parsing", id="no YAML"),
        pytest.param("search.seed=!!int 5", "--set search.seed: line 1: YAML tags", id="tag"),
        pytest.param("search.sead=5", "study.yaml: search.sead: .* 'seed'", id="unknown key"),
        pytest.param("search.seed=x", "study.yaml: search.seed: got 'x'", id="bad value"),
        pytest.param("trials=3", "study.yaml: trials: got 3, expected a list", id="no list"),
        pytest.param("search.seed=", "search.seed: got nothing, expected a whole", id="nothing"),
    ],
)
def test_an_override_refuses_what_leads_nowhere(
    tmp_path: Path, override: str, message: str
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    with pytest.raises(BadInputError, match=message):
        load_study(file, [override])


@pytest.mark.parametrize("index", ["1", "x", "-1", "²"])
def test_an_override_refuses_an_index_that_a_list_does_not_have(tmp_path: Path, index: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY + "trials: [{depth: 2}]\n")
    message = f"--set: trials.{index}.depth: got '{index}', expected an index below 1"
    with pytest.raises(BadInputError, match=message):
        load_study(file, [f"trials.{index}.depth=1"])
