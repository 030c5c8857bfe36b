"""A stranger's bundle is refused in one sentence, and nothing is written anywhere."""

import gzip
import hashlib
import io
import json
import os
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.app.bundles.archive import BLOCK, END, MANIFEST
from pipeline.app.bundles.bundle import bundle
from pipeline.app.bundles.content import read_content
from pipeline.app.bundles.import_study import import_study
from pipeline.app.bundles.reader import open_archive
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError
from pipeline.learning.cohort.fit import fit_cohort
from tests.app.studies import study_in
from tests.cli.typed import TypeIn, snapshot
from tests.fakes import FakeEngine

pytestmark = pytest.mark.slow

Members = dict[str, bytes]
FIRST = "trials/000000/"
SECTIONS: dict[str, Any] = {
    "space": {"depth": 1, "width": 8, "dropout": {"low": 0.1, "high": 0.6}}
    | {"batch_size": 64, "learning_rate": 0.01},
    "training": {"epochs": 2},
    "search": {"trials": 2, "sampler": "random", "seed": 5},
    "trials": [],
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle of two trials."""
    home = tmp_path_factory.mktemp("sound") / "home"

    @contextmanager
    def engine(*_job: object, **_limits: object) -> Iterator[FakeEngine]:
        yield FakeEngine(fit_cohort)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.app.running.start_engine", engine)
        study_in(home, **SECTIONS).run()
    return bundle(Workspace(home=home, tracking_uri=None), "small", weights="all").path


def members_of(path: Path) -> Members:
    """All members but the manifest."""
    with tarfile.open(path) as archive:
        read = {one.name: archive.extractfile(one) for one in archive.getmembers()}
        content = {name: file.read() for name, file in read.items() if file}
    del content[MANIFEST]
    return content


def packed(members: Members) -> bytes:
    """An archive of these members with a manifest that is right."""
    listed = [
        {"name": name, "size": len(one), "sha256": hashlib.sha256(one).hexdigest()}
        for name, one in members.items()
    ]
    manifest = json.dumps({"members": listed}, indent=1).encode() + b"\n"
    return (
        b"".join(block(name, one) for name, one in (members | {MANIFEST: manifest}).items()) + END
    )


def block(name: str, content: bytes, **header: Any) -> bytes:
    """A member as tar writes it, its header changed."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in header.items():
        setattr(info, key, value)
    text = info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    return text + content + b"\0" * (-len(content) % BLOCK)


def edited(members: Members, name: str, change: Callable[[Any], None]) -> None:
    """Change a JSON member."""
    document = json.loads(members[name])
    change(document)
    members[name] = json.dumps(document, indent=1).encode() + b"\n"


def sealed(members: Members, weights: bytes) -> None:
    """Give a trial other weights, with every digest of them."""
    digest = hashlib.sha256(weights).hexdigest()
    members[f"{FIRST}weights.safetensors"] = weights
    edited(members, f"{FIRST}record.json", lambda one: one.update(weights_sha256=digest))
    edited(members, "study.json", lambda one: one["trials"][0].update(weights_sha256=digest))


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Say what unpickling calls."""
        return os.system, ("touch was-unpickled",)


def _before_the_first(raw: bytes) -> Callable[[bytes], bytes]:
    """Put a member between the first and the second."""
    return lambda content: content[: 2 * BLOCK] + raw + content[2 * BLOCK :]


HEADERS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "symlink": (
        _before_the_first(block("note.md", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "is no file but a link or a device",
    ),
    "hard link": (
        _before_the_first(block("note.md", b"", type=tarfile.LNKTYPE, linkname="../../x")),
        "is no file but a link or a device",
    ),
    "device": (
        _before_the_first(block("note.md", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
        "is no file but a link or a device",
    ),
    "parent folder": (_before_the_first(block("../../evil", b"x")), "no bundle has a member"),
    "absolute path": (_before_the_first(block("/etc/evil", b"x")), "no bundle has a member"),
    "control characters": (
        _before_the_first(block("trials/\x1b[31m<script>\n", b"x")),
        "no bundle has a member",
    ),
    "twice": (
        _before_the_first(block("note.md", b"another")),
        "note.md is there twice",
    ),
    "owner": (
        _before_the_first(block("note.md", b"x", uname="somebody")),
        "says more than a name and a size",
    ),
    "huge size": (
        _before_the_first(block("study.json", b"", size=8**11 - 1)),
        "study.json says 8,589,934,591 bytes, of at most 200,000,000",
    ),
    "truncated": (lambda content: content[: len(content) // 2], "it ends before its end"),
    "no end": (lambda content: content[:-1], "it ends before its end"),
    "something behind": (lambda content: content + b"\0", "something follows manifest.json"),
    "hidden between": (
        lambda content: content[: 2 * BLOCK - 1] + b"x" + content[2 * BLOCK :],
        "something lies between its members",
    ),
    "empty": (lambda _: b"", "it ends before its end"),
    "no archive": (lambda _: b"x" * 5_000, "it is no bundle, or a damaged one"),
    "compressed": (gzip.compress, "it is no bundle, or a damaged one"),
}


def _zip(_: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle.json", b"0" * 5_000_000)
    return file.getvalue()


HEADERS["zip bomb"] = (_zip, "it is no bundle, or a damaged one")


def _set(name: str, **values: Any) -> Callable[[Members], None]:
    return lambda members: edited(members, name, lambda one: one.update(values))


def _of_first_trial(**values: Any) -> Callable[[Members], None]:
    return lambda members: edited(
        members, "study.json", lambda one: one["trials"][0].update(values)
    )


def _text(name: str, old: str, new: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        assert old.encode() in members[name]
        members[name] = members[name].replace(old.encode(), new.encode())

    return change


CONTENTS: dict[str, tuple[Callable[[Members], Any], str]] = {
    "other format": (_set("bundle.json", format=2), "format 2, expected one of 'dropout-search'"),
    "other project": (_set("bundle.json", project="\x1b[31m"), r"a bundle of '\x1b[31m'"),
    "study of a path": (_set("bundle.json", study="../evil"), "bundle.json: study:"),
    "other study's name": (_set("bundle.json", study="other"), "study.yaml is of study 'small'"),
    "missing record": (lambda m: m.pop(f"{FIRST}record.json"), "it has no trials/000000/record"),
    "missing study file": (lambda m: m.pop("study.yaml"), "it has no study.yaml"),
    "trial of nothing": (
        lambda m: m.update({"trials/000007/record.json": m[f"{FIRST}record.json"]}),
        "trials/000007/record.json is of nothing that study.json has",
    ),
    "pickled weights": (lambda m: sealed(m, pickle.dumps(Bomb())), "they are no safetensors"),
    "other weights": (
        lambda m: m.update({f"{FIRST}weights.safetensors": b"x"}),
        "its weights are not those of its record",
    ),
    "picture that is a page": (
        lambda m: m.update({f"{FIRST}weight_map.png": b"<script>"}),
        "weight_map.png is no PNG file",
    ),
    "YAML tag": (
        _text("study.yaml", "question: ", "question: !!python/object/apply:os.system "),
        "study.yaml: ",
    ),
    "other study file": (_text("study.yaml", "epochs: 2", "epochs: 3"), "means something else"),
    "class of Python": (
        _text("study.yaml", "model:\n  name: mlp", "model:\n  class_path: os.system"),
        "study.yaml means something else",
    ),
    "record of another study": (
        _text(f"{FIRST}record.json", '"study": "small"', '"study": "other"'),
        "its record is not of this trial of this study",
    ),
    "record of a later version": (_set(f"{FIRST}record.json", format=2), "record.json: format:"),
    "record that is too deep": (
        lambda m: m.update({f"{FIRST}record.json": b"[" * 100_000}),
        "record.json: ",
    ),
    "other seeds": (
        lambda m: edited(m, f"{FIRST}record.json", lambda r: r["seeds"].update(initialisation=1)),
        "its seeds is not what the trial has",
    ),
    "other curve": (
        lambda m: edited(
            m, f"{FIRST}run.json", lambda one: one["epochs"][0]["scores"].update(train_loss=0.5)
        ),
        "its epochs are not those that the record was made from",
    ),
    "epoch that is none": (
        lambda m: edited(m, f"{FIRST}run.json", lambda one: one["epochs"][1].update(epoch=9)),
        "it has the epochs [1, 9]",
    ),
    "better value": (_of_first_trial(value=0.001), "its value is not the best of its scores"),
    "setting outside the space": (
        lambda m: edited(m, "study.json", lambda o: o["trials"][1]["params"].update(dropout_1=0.9)),
        "trial 1 is none of the study's space",
    ),
    "unknown parameter": (
        lambda m: edited(m, "study.json", lambda o: o["trials"][1]["params"].update(evil=1)),
        "trial 1 is none of the study's space",
    ),
    "numbers with a gap": (_of_first_trial(number=5), "its trials are not numbered from 0 on"),
    "unknown key": (_set("study.json", code="import os"), "study.json: "),
}


def _import(path: Path, folder: Path) -> None:
    import_study(path, workspace=Workspace(home=folder / "mlruns", tracking_uri=None))


def check_refused(content: bytes, folder: Path, told: str) -> None:
    """Hold an import to its promise: one sentence, and nothing written."""
    path = folder / "theirs.tar"
    path.write_bytes(content)
    before = snapshot(folder.parent)
    with pytest.raises(BadInputError, match=re.escape(told)) as refused:
        _import(path, folder)
    assert snapshot(folder.parent) == before
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_archive_is_refused(name: str, sound: Path, tmp_path: Path) -> None:
    change, told = HEADERS[name]
    folder = tmp_path / "inner"
    folder.mkdir()
    check_refused(change(sound.read_bytes()), folder, told)


@pytest.mark.parametrize("name", CONTENTS)
def test_hostile_content_is_refused(name: str, sound: Path, tmp_path: Path) -> None:
    change, told = CONTENTS[name]
    folder, members = tmp_path / "inner", members_of(sound)
    folder.mkdir()
    change(members)
    check_refused(packed(members), folder, told)


def test_archive_that_the_test_packs_is_sound(sound: Path) -> None:
    assert packed(members_of(sound)) == sound.read_bytes()


def test_wrong_digest_in_the_manifest_is_refused(sound: Path, tmp_path: Path) -> None:
    content, digest = sound.read_bytes(), hashlib.sha256(members_of(sound)["note.md"]).hexdigest()
    folder = tmp_path / "inner"
    folder.mkdir()
    check_refused(
        content.replace(digest.encode(), b"0" * 64), folder, "note.md is not what manifest.json"
    )


def test_folder_a_pipe_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        with pytest.raises(BadInputError, match=r"got no (such|regular) file, expected a file"):
            _import(path, tmp_path)


def test_command_refuses_with_exit_code_2(sound: Path, folder: Path, type_in: TypeIn) -> None:
    content = HEADERS["control characters"][0](sound.read_bytes())
    (folder / "theirs.tar").write_bytes(content)
    answer = type_in("import", "theirs.tar")
    answer.refuses("theirs.tar: no bundle has a member", "nothing was imported")
    assert "\x1b" not in answer.stderr


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_byte_is_refused(sound: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(sound.read_bytes())
    index = data.draw(st.integers(0, len(content) - 1), label="index")
    content[index] ^= data.draw(st.integers(1, 255), label="bits")
    path = tmp_path / "theirs.tar"
    path.write_bytes(bytes(content))
    with pytest.raises(BadInputError, match=r"theirs\.tar"), open_archive(path) as archive:
        read_content(archive)
