"""Whatever stands in a study file, it is a study or one clear error.

``make torture`` tries 2,000 of them.
"""

import re
import resource
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pipeline.cli import main
from pipeline.config import StudyConfig, check_study, digest, load_study
from pipeline.errors import BadInputError
from tests.config.documents import MODELS, SMALLEST, SPACES, changed
from tests.long_form import TORTURE

N_EXAMPLES = 2_000 if TORTURE else 100
PYDANTIC = re.compile("Input should|Value error|validation error|Field required|Extra inputs")
LONGEST_SECONDS = 5.0
LARGEST_GROWTH_KIB = 500 * 1024
FUZZED = settings(max_examples=N_EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
KEYS = (
    *("name", "question", "data", "model", "space", "training", "search", "trials", "depth"),
    *("width_1", "width", "dropout_100", "dropout", "keep_prob", "input_keep_prob", "batch_size"),
    *("class_path", "path", "low", "high", "log", "step", "choices", "per_layer", "folds", "seed"),
    *("sampler", "stopping", "early_stopping", "blocks", "schedule", "<<", "", ".", "__"),
    *("__class__", "a.b", "0", "(range)", "\ud800", "\x00", "ß", "true", "self"),
)
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(),
    st.sampled_from([0, 1, -1, 0.0, -0.0, 1.0, 2**31, 2**53 + 1, 2**64, 10**99, 10**400, 5e-324]),
)
TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        *("", "..", "../../x", "/etc/passwd", "1e-4", "nan", "0x10", "1:30", "yes", "~", "="),
        *("mlp", "cnn", "autoencoder", "digits", "npz", "image-folder", "grid", "tpe", "asha"),
        *("os.system", "my_package.MyModule", "!!python/name:os.system", "*a", "\x1b[2J"),
        "x" * 5_000,
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
SNIPPETS = (
    *("!!python/object/apply:os.system [id]", "&a", "*a", "<<: *a", "---", "...", "%YAML 1.1"),
    *("? ", ": ", "- ", "[", "]", "{", "}", "'", '"', "|", ">", "#", "\t", "\r", "\n", "\x00", "@"),
    *("\x85", "\u2028", "\ufeff", "\udcff", "1e999", "0o7", "1_0", ".inf", "2020-01-01", "!", "`"),
)


def places(section: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a document, the document's own included."""
    yield path
    if isinstance(section, dict | list):
        for key in section if isinstance(section, dict) else range(len(section)):
            yield from places(section[key], (*path, key))


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A good study in which one to four values were dropped, replaced or added."""
    model = draw(st.sampled_from(sorted(MODELS)))
    changes = {"model": MODELS[model], "space": SPACES[model], "trials": [{}]}
    document: Any = deepcopy(changed(changes, SMALLEST))
    for _ in range(draw(st.integers(1, 4))):
        document = _changed_somewhere(draw, document)
    return document


def _changed_somewhere(draw: st.DrawFn, document: Any) -> Any:
    path = draw(st.sampled_from(list(places(document))))
    kind = draw(st.sampled_from(["drop", "replace", "add", "copy"]))
    value = draw(VALUES)
    if kind == "copy":
        value = deepcopy(_at(document, draw(st.sampled_from(list(places(document))))))
    if kind == "add":
        section = _at(document, path)
        if isinstance(section, dict):
            section[draw(st.sampled_from(KEYS) | st.text(max_size=5))] = value
        elif isinstance(section, list):
            section.append(value)
        return document
    if not path:
        return document if kind == "drop" else value
    if kind == "drop":
        del _at(document, path[:-1])[path[-1]]
    else:
        _at(document, path[:-1])[path[-1]] = value
    return document


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A file: a changed document as YAML, and in every other one some of its text changed too."""
    try:
        text = yaml.safe_dump(draw(documents()), sort_keys=False, allow_unicode=draw(st.booleans()))
    except yaml.YAMLError:
        text = ""
    content = text.encode("utf-8", "surrogateescape" if draw(st.booleans()) else "replace")
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 20)))
        put = draw(st.sampled_from(SNIPPETS)).encode("utf-8", "surrogatepass")
        content = content[:start] + put * draw(st.sampled_from([0, 1, 1, 1, 300])) + content[end:]
    return content


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the study file is written."""
    return tmp_path_factory.mktemp("fuzz") / "study.yaml"


@FUZZED
@given(content=texts())
def test_any_file_is_a_study_or_one_clear_error(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        study = load_study(file)
    except BadInputError as error:
        event("refused")
        check_told(str(error), file)
    else:
        event("a study")
        check_whole(study)
    assert time.process_time() - began < LONGEST_SECONDS
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < LARGEST_GROWTH_KIB


def check_told(told: str, file: Path) -> None:
    """A sentence that names the file and says what is wrong, in no library's words."""
    assert told.startswith(f"{file}: ")
    assert not PYDANTIC.search(told.removeprefix(f"{file}: "))
    assert len(told) < 10_000


def check_whole(study: StudyConfig) -> None:
    """What was accepted can be stored under its digest and read back as the same study."""
    assert check_study(study.document, "stored") == study
    assert len(digest(study)) == 64


@settings(FUZZED, max_examples=max(10, N_EXAMPLES // 10))
@given(content=texts())
def test_the_command_line_gives_one_error_and_exit_code_2(content: bytes, file: Path) -> None:
    """With an address that is none, so that a file which is a study is not run."""
    file.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        told: list[str] = []
        patch.setattr(sys, "argv", ["pipeline", "run", str(file), "--storage", "banana"])
        patch.setattr(
            "click.echo", lambda message, *, err: told.append(f"{message}\n") if err else None
        )
        with pytest.raises(SystemExit, match=r"^2$"):
            main()
    (said,) = told
    assert said.count("error: ") == 1
    assert "traceback" not in said.casefold()
    said.encode()
    assert [path.name for path in file.parent.iterdir()] == [file.name]
