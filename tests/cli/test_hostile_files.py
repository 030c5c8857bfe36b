"""Odd files, and files that were made to do harm, are refused like any wrong value."""

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.typed import FILE, MISSING, TEXT, TypeIn, changed

ROWS = np.zeros((20, 8, 8), np.float32)
LABELS = np.arange(20) % 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(TEXT.encode("utf-16"), "bytes that are not UTF-8 text", id="UTF-16"),
        pytest.param("name: a".encode("utf-16-le"), "character #x0000", id="UTF-16, no mark"),
        pytest.param("\ufeffname: [", "line 1: not valid", id="byte-order mark"),
        pytest.param("name:\ta\n\tdata: b\n", "line 1: not valid", id="tabs"),
        pytest.param(TEXT.replace("\n", "\r\n") + "x: 1\r\n", "x: unknown key", id="CRLF"),
        pytest.param('name: "\\ud800"\n' + TEXT[12:], "name: got '\\ud800'", id="half a character"),
        pytest.param(changed({"name": "\U0001f600"}), "name: got", id="name of a face"),
        pytest.param(changed({"name": "a\u202eb"}), "got 'a\\u202eb'", id="name turned round"),
        pytest.param(changed({"name": "/etc/x"}), "name: got '/etc/x'", id="name an absolute path"),
        pytest.param(changed({"name": "..\\x"}), "name: got '..\\\\x'", id="name of Windows"),
        pytest.param(changed({"name": "a\n"}), "name: got 'a\\n'", id="name with a line's end"),
        pytest.param(changed({"name": "~"}), "name: got '~'", id="name of the user's folder"),
        pytest.param(changed({"search.seed": -0.0}), "search.seed: got -0.0", id="seed of -0.0"),
        pytest.param(TEXT.replace("0.6", "1e999"), "high: got inf", id="number too large"),
        pytest.param(TEXT + "x: 0o7", "x: unknown key", id="octal"),
        pytest.param("a: &a {x: 1}\nb: {<<: *a, <<: *a}", "'<<' is given twice", id="merged twice"),
        pytest.param("a: {<<: 5}", "expected a mapping", id="merge of a number"),
        pytest.param("a: &a {<<: *a}", "more than 20,000 values", id="merge of itself"),
        pytest.param("a: !!set {b}", "YAML tags such as", id="set"),
        pytest.param("a: !!binary aGk=", "YAML tags such as", id="bytes"),
        pytest.param("a: !<tag:x> b", "YAML tags such as 'tag:x'", id="a tag of one's own"),
        pytest.param("a: *b", "undefined alias 'b'", id="alias of nothing"),
        pytest.param("a: =", "tag:yaml.org,2002:value", id="YAML's value"),
        pytest.param("%YAML 9.9\n---\na: 1", "incompatible YAML", id="YAML of tomorrow"),
        pytest.param("~: 1", "keys must be texts, not ~", id="no key"),
        pytest.param("? {a: 1}\n: 2", "keys must be texts, not a map", id="map as key"),
        pytest.param("a: " + "[" * 900_000, "deeper than 50 levels", id="900,000 levels"),
        pytest.param("- " * 400_000, "deeper than 50 levels", id="400,000 levels of blocks"),
        pytest.param("a: [" + "1," * 30_000 + "]", "more than 20,000 values", id="long list"),
        pytest.param("---\n" * 50_000, "more than 20,000 values", id="50,000 documents"),
        pytest.param("! " * 400_000, "YAML tags such as '!'", id="400,000 tags"),
        pytest.param(changed({"model.name": []}), "model.name: got []", id="list for a model"),
        pytest.param(changed({"model.name": {}}), "model.name: got an empty", id="map as model"),
        pytest.param(changed({"data.name": ["npz"]}), "data.name: got ['npz']", id="list for data"),
        pytest.param(changed({"space": None}), "space: got nothing", id="no space"),
        pytest.param(changed({"trials": None}), "trials: got nothing", id="no list of trials"),
        pytest.param(changed({"trials": [None]}), "trials.0: got nothing", id="trial of nothing"),
        pytest.param(changed({"trials": [{"depth": True}]}), ".depth: got true", id="trial: flag"),
        pytest.param(changed({"trials": "abc"}), "trials: got 'abc'", id="text for trials"),
        pytest.param(changed({"training.early_stopping": 3}), "got 3, expected a map", id="early"),
        pytest.param(changed({"space.width.choices": [None]}), "0: got nothing", id="no choice"),
        pytest.param(changed({"space.width.choices": [[1]]}), "0: got [1]", id="choice of a list"),
        pytest.param(changed({"space.width.choices": [16, 16.0]}), "1: got 16.0", id="two kinds"),
        pytest.param(
            changed({"space.learning_rate": {"choices": [float("nan")]}}),
            "choices.0: got nan, expected a finite number",
            id="choice of no number",
        ),
        pytest.param(
            changed({"space.width.choices": [*range(1, 1_002)]}),
            "most 1,000 values",
            id="choices",
        ),
    ],
)
def test_a_study_file_of_an_odd_kind_is_refused(
    content: str | bytes, words: str, type_in: TypeIn
) -> None:
    Path(FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    type_in("run", FILE).refuses(f"error: {FILE}: ", words)


def sparse(path: Path) -> None:
    """Make a file of 100 GB that takes no room on the disk."""
    path.touch()
    os.truncate(path, 10**11)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "got a pipe"),
        (Path.mkdir, "got is a directory"),
        (lambda path: path.symlink_to("/dev/zero"), "got a larger file"),
        (lambda path: path.symlink_to("/dev/null"), "the file is empty"),
        (lambda path: path.symlink_to(path.name), "got too many levels of symbolic links"),
        (lambda path: path.symlink_to("nowhere"), "got no such file or directory"),
        (sparse, "got a larger file"),
    ],
    ids=["pipe", "folder", "endless", "nothing", "loop", "broken link", "100 GB"],
)
def test_what_is_no_file_is_refused_at_once(
    make: Callable[[Path], object], words: str, folder: Path, type_in: TypeIn
) -> None:
    elsewhere = folder.with_name(f"{folder.name}-made")
    elsewhere.mkdir()
    make(elsewhere / FILE)
    file = elsewhere / FILE
    type_in("run", str(file)).refuses(f"error: {file}: ", words)


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    """An array as ``numpy.save`` writes it."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=allow_pickle)
    return content.getvalue()


def lying(description: str) -> bytes:
    """An array's header that says what is not there."""
    header = description.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


ARCHIVES: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing in it": ({}, "no array x_train, y_train"),
    "a name that leads out": ({"../../x_train.npy": npy(ROWS)}, "no array x_train"),
    "an absolute name": ({"/x_train.npy": npy(ROWS)}, "no array x_train"),
    "objects": (
        {"x_train.npy": npy(np.array([{1: 2}], object), allow_pickle=True)},
        "x_train: holds Python objects",
    ),
    "code in a header": (
        {"x_train.npy": lying("{'descr': __import__('os').mkdir('hacked')}")},
        "damaged, or not written by NumPy's savez",
    ),
    "a size of petabytes": (
        {
            "x_train.npy": lying(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 8, 8), }"
            )
        },
        "x_train",
    ),
    "a size below 0": (
        {"x_train.npy": lying("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 8, 8), }")},
        "got ",
    ),
    "labels too few": ({"y_train.npy": npy(LABELS[:3])}, "y_train: got int64 [3]"),
    "labels below 0": ({"y_train.npy": npy(LABELS - 5)}, "y_train: got labels -5..-4"),
    "labels of 2**40": ({"y_train.npy": npy(LABELS * 2**40)}, "y_train: got labels 0..1099511"),
    "numbers that are none": ({"x_train.npy": npy(ROWS * np.nan)}, "x_train: got nan in row 0"),
    "complex numbers": ({"x_train.npy": npy(ROWS.astype(complex))}, "x_train: got complex128"),
    "texts": ({"x_train.npy": npy(np.array(["a"] * 20))}, "x_train: got <U1 [20]"),
    "one number": ({"x_train.npy": npy(np.float32(1))}, "x_train: got float32 []"),
    "no rows": ({"x_train.npy": npy(ROWS[:0])}, "x_train: got float32 [0, 8, 8]"),
}


@pytest.mark.parametrize("case", list(ARCHIVES))
def test_an_archive_of_arrays_that_was_tampered_with_is_refused(case: str, type_in: TypeIn) -> None:
    members, words = ARCHIVES[case]
    whole = {"x_train.npy": npy(ROWS), "y_train.npy": npy(LABELS)}
    is_whole = members.keys() <= whole.keys() and members
    with zipfile.ZipFile("data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (whole | members if is_whole else members).items():
            archive.writestr(name, content)
    Path(FILE).write_text(changed({"data": {"name": "npz", "path": "data.npz"}}))
    type_in("run", FILE).refuses("data.npz: ", words)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etc/passwd", "/etc/passwd: damaged, or not written by NumPy's savez: File is not a"),
        ("../../../../../../../../etc/passwd", "etc/passwd: damaged, or not written by"),
        ("/dev/zero", "data.path: got /dev/zero (/dev/zero is no file)"),
        (".", "is no file), expected a file that NumPy's savez wrote"),
        ("http://127.0.0.1:1/x.npz", "data.path: got http:/127.0.0.1:1/x.npz (no file "),
        ("~/x.npz", "data.path: got ~/x.npz (no file "),
        ("x" * 4_000, "data.path: got xxx"),
        ("x" * 5_000, "data.path: got 'xxx"),
        ("", "data.path: got ''"),
    ],
    ids=lambda value: value[:20],
)
def test_a_path_of_data_that_leads_nowhere_is_refused(
    path: str, words: str, type_in: TypeIn
) -> None:
    Path(FILE).write_text(changed({"data": {"name": "npz", "path": path}}))
    answer = type_in("run", FILE)
    answer.refuses(words)
    assert len(answer.stderr) < 3_000


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "not a plain file"),
        (lambda path: path.symlink_to("/dev/zero"), "a link to /dev/zero; links must stay in"),
        (lambda path: path.symlink_to("/etc/passwd"), "a link to /etc/passwd"),
        (lambda path: path.symlink_to("../.."), "a link to"),
        (lambda path: path.write_bytes(b"%!PS-Adobe-3.0\n(x) run"), "cannot be decoded"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50), "cannot be decoded"),
    ],
    ids=["pipe", "endless", "another file", "folder above", "PostScript", "cut PNG"],
)
def test_a_folder_of_images_that_leads_out_or_holds_no_image_is_refused(
    make: Callable[[Path], object], words: str, type_in: TypeIn
) -> None:
    for name in ("images/a", "images/b"):
        Path(name).mkdir(parents=True)
    make(Path("images/a/x.png"))
    for number in range(20):
        Path(f"images/b/{number}.png").write_bytes(b"no image")
    Path(FILE).write_text(changed({"data": {"name": "image-folder", "path": "images"}}))
    refused = type_in("run", FILE)
    refused.refuses("images/", words)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run study.yaml --home", ["'--home' requires an argument"]),
        ("run study.yaml --home=", ["'--home'", "got '', expected a folder"]),
        ("run study.yaml --data-dir=", ["'--data-dir'", "got '', expected a folder"]),
        ("run study.yaml --storage", ["'--storage' requires an argument"]),
        ("run study.yaml --trials", ["'--trials' requires an argument"]),
        ("run study.yaml --trials 1e3", ["'1e3' is not a valid integer"]),
        ("run study.yaml --trials -5", ["-5 is not in the range"]),
        (f"run study.yaml --trials {10**30}", ["search.trials: got 1000000000", "at most 100,000"]),
        ("run study.yaml --workers 99999", ["99999 is not in the range 1<=x<=1024"]),
        ("run study.yaml --max-cohort 0", ["0 is not in the range 1<=x<=1024"]),
        ("run study.yaml --json=yes", ["'--json' does not take a value"]),
        ("run study.yaml --trust-code=no", ["'--trust-code' does not take a value"]),
        ("run study.yaml --set search.trials=9 --trials 2000000", ["got 2000000"]),
        ("run study.yaml --set name=../x", ["name: got '../x'"]),
        ("run study.yaml --set name=", ["name: got nothing"]),
        ("run study.yaml --set data={name:", ["--set data: line 1: not valid"]),
        ("run study.yaml --set a.b.c.d=1", ["a: unknown key"]),
        (f"run study.yaml --set {'a.' * 5000}a=1", ["--set: got 'a.a.a.", "expected KEY=VALUE"]),
        ("run study.yaml --set space.dropout=.nan", ["space.dropout: got nan"]),
        ("run study.yaml --set training.epochs=1e400", ["training.epochs: got inf"]),
        ("run study.yaml --set model.class_path=x.Y", ["model: give either name or class_path"]),
        ("run study.yaml study.yaml", ["unexpected extra argument"]),
        ("show ../../etc/passwd", ["study: no study '../../etc/passwd'"]),
        ("show small --trial 1", ["No such option '--trial'"]),
        ("reproduce ../x --trial 0", ["study: no study '../x'"]),
        ("reproduce small --trial", ["'--trial' requires an argument"]),
        ("reproduce small --trial ²", ["--trial: got '²'"]),
        (f"reproduce small --trial {'9' * 30}", ["--trial: got '999"]),
        (f"run study.yaml --set trials.{'9' * 5000}.depth=1", ["--set: trials.999"]),
        (f"reproduce small --trial {'9' * 5000}", ["--trial: got "]),
        ("reproduce small --trial 1 --trial x", ["--trial: got 'x'"]),
        ("confirm ; --seeds 2", ["study: no study ';'"]),
        ("refit $(id)", ["study: no study '$(id)'"]),
        ("ui --port", ["'--port' requires an argument"]),
        ("ui --port x", ["'x' is not a valid integer"]),
        ("list more", ["unexpected extra argument"]),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "told",
)
def test_words_that_make_no_command_are_refused(
    command: str, words: Sequence[str], type_in: TypeIn
) -> None:
    Path(FILE).write_text(TEXT)
    type_in(*command.split()).refuses(*words)


def test_a_missing_key_is_told_before_the_data_is_read(type_in: TypeIn) -> None:
    Path(FILE).write_text(changed({"training": MISSING, "data": {"name": "npz", "path": "no"}}))
    type_in("run", FILE).refuses("training: required, but missing")
