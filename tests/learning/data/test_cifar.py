"""CIFAR-10: found, checked, read without trust, and downloaded without being unpacked."""

import gzip
import hashlib
import os
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import ClassVar

import numpy as np
import pytest

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.data import PreparedData, known_sizes, locate, open_train, prepare
from pipeline.learning.data.catalogue import CIFAR10, DATA_SETS
from pipeline.learning.data.sealed import open_test_subset
from pipeline.learning.torchvision_ops import ensure_torchvision
from tests.learning.data.batches import N_ROWS, archive, batch, pixels, small_cifar10, write_batches

CONFIG = DataConfig(name="cifar10")
ARCHIVE = "cifar-10-python.tar.gz"
CONTENTS = [batch(number) for number in range(6)]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, "cifar10", small_cifar10(CONTENTS))


def prepared_from(data_dir: Path, cache: Path) -> PreparedData:
    """The set as a study would have it."""
    return prepare(locate(CONFIG, data_dir, cache=cache, system_roots=()), cache=cache)


def test_the_md5s_are_those_that_torchvision_knows() -> None:
    origin = CIFAR10.download
    assert origin.archive is not None
    ensure_torchvision()
    known = import_module("torchvision.datasets").CIFAR10
    named = [[file.name, file.md5] for file in origin.files]
    assert named == [*known.train_list, *known.test_list]
    assert (origin.archive.name, origin.archive.md5) == (known.filename, known.tgz_md5)
    assert (origin.folder, origin.url) == (known.base_folder, known.url)


def test_batches_become_images_with_the_colours_first(tmp_path: Path, cache: Path) -> None:
    write_batches(tmp_path, CONTENTS)
    prepared = prepared_from(tmp_path, cache)
    images, labels = open_train(prepared)
    assert (images.dtype.name, images.shape) == ("uint8", (5 * N_ROWS, 3, 32, 32))
    assert (prepared.image_shape, prepared.n_classes, prepared.scale) == ((3, 32, 32), 10, 255)
    rows = np.concatenate([pixels(number) for number in range(5)])
    assert np.array_equal(images.reshape(-1, 3072), rows)
    assert labels.tolist() == [row % 10 for row in range(N_ROWS)] * 5
    assert np.array_equal(open_test_subset(prepared)[0].reshape(-1, 3072), pixels(5))


def test_the_archive_gives_what_the_batches_give(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / ARCHIVE).write_bytes(archive(CONTENTS))
    write_batches(tmp_path / "plain", CONTENTS)
    packed = prepared_from(tmp_path / "packed", cache)
    assert packed.sha256 == prepared_from(tmp_path / "plain", cache).sha256
    assert [path.name for path in (tmp_path / "packed").iterdir()] == [ARCHIVE]


def test_batches_are_taken_before_the_archive(tmp_path: Path, cache: Path) -> None:
    folder = write_batches(tmp_path, CONTENTS)
    (tmp_path / ARCHIVE).write_bytes(b"")
    source = locate(CONFIG, tmp_path, cache=cache, system_roots=())
    assert {path.parent for path in source.files} == {folder}
    (folder / "data_batch_3").unlink()
    assert locate(CONFIG, tmp_path, cache=cache).files == (tmp_path / ARCHIVE,)


def test_what_is_lacking_is_named(tmp_path: Path, cache: Path) -> None:
    (write_batches(tmp_path, CONTENTS) / "test_batch").unlink()
    source = locate(CONFIG, tmp_path, cache=cache, system_roots=(tmp_path / "usr",))
    assert source.looked_at == (
        f"{tmp_path}/cifar-10-batches-py lacks test_batch, and no {ARCHIVE} beside it",
        f"no folder {tmp_path}/usr/cifar-10-batches-py, and no {ARCHIVE} beside it",
        f"no folder {cache}/downloads/cifar-10-batches-py, and no {ARCHIVE} beside it",
    )


def test_the_real_sets_sizes_are_known_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, "cifar10", CIFAR10)
    sizes = known_sizes(CONFIG)
    assert sizes is not None
    assert (sizes.train, sizes.validation, sizes.test) == (40_000, 10_000, 10_000)


class Stranger:
    """Runs a command in whoever unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Let the unpickler make a folder."""
        return os.mkdir, (str(self.path),)


def test_a_stranger_batch_is_not_even_opened(tmp_path: Path, cache: Path) -> None:
    folder = write_batches(tmp_path, CONTENTS)
    (folder / "data_batch_2").write_bytes(pickle.dumps(Stranger(tmp_path / "ran")))
    named = r"data_batch_2: got \d+ bytes, md5 [0-9a-f]{32}, expected data_batch_2 with md5"
    with pytest.raises(BadInputError, match=named):
        prepared_from(tmp_path, cache)
    assert not (tmp_path / "ran").exists()
    assert not cache.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("stranger", r"a pickle that names (posix|nt)\.mkdir", id="a function"),
        pytest.param(b"cbuiltins\neval\n.", r"names builtins\.eval", id="a builtin"),
        pytest.param(b"cnumpy\nload\n.", r"names numpy\.load", id="another of numpy's"),
        pytest.param(b"\x80\x02}.", "'data'", id="no data"),
        pytest.param(b"", "Ran out of input", id="nothing"),
    ],
)
def test_a_batch_may_name_nothing_but_arrays_even_where_its_md5_fits(
    name: str | bytes, message: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harm = name if isinstance(name, bytes) else pickle.dumps(Stranger(tmp_path / "ran"))
    contents = [*CONTENTS[:5], harm]
    monkeypatch.setitem(DATA_SETS, "cifar10", small_cifar10(contents))
    write_batches(tmp_path, contents)
    with pytest.raises(BadInputError, match=f"test_batch: got .*{message}"):
        prepared_from(tmp_path, cache)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(archive(CONTENTS)[:-9], id="torn"),
        pytest.param(gzip.compress(b"no tar"), id="no tar"),
        pytest.param(b"", id="empty"),
    ],
)
def test_another_archive_is_named_with_its_md5(content: bytes, tmp_path: Path, cache: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(content)
    named = rf"{ARCHIVE}: got md5 [0-9a-f]{{32}}, expected {ARCHIVE} with md5"
    with pytest.raises(BadInputError, match=named):
        prepared_from(tmp_path, cache)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        pytest.param(None, "filename 'cifar-10-batches-py/data_batch_1' not found", id="nothing"),
        pytest.param(tarfile.DIRTYPE, "cifar-10-batches-py/data_batch_1 is no file", id="a folder"),
        pytest.param(tarfile.SYMTYPE, "linkname .*/etc/hostname' not found", id="a link out"),
    ],
)
def test_an_archive_without_a_batch_is_named_even_where_its_md5_fits(
    kind: bytes | None, message: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ARCHIVE
    with tarfile.open(path, "w:gz") as packed:
        if kind is not None:
            member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
            member.type, member.linkname = kind, "/etc/hostname"
            packed.addfile(member)
    known = small_cifar10(CONTENTS)
    archive = known.download.archive
    assert archive is not None
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    other = replace(known, origin=replace(known.download, archive=replace(archive, md5=md5)))
    monkeypatch.setitem(DATA_SETS, "cifar10", other)
    with pytest.raises(BadInputError, match=f"{ARCHIVE}: got .*{message}"):
        prepared_from(tmp_path, cache)


class CountingHandler(SimpleHTTPRequestHandler):
    """Serves files, logs nothing, and counts what was asked for."""

    asked: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_GET(self) -> None:
        """Count and serve."""
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that a server on this machine offers to torchvision's class."""
    ensure_torchvision()
    folder = tmp_path / "served"
    folder.mkdir()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(CountingHandler, "asked", [])
    handler = partial(CountingHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/{ARCHIVE}"
        monkeypatch.setattr(import_module("torchvision.datasets").CIFAR10, "url", url)
        yield folder
        server.shutdown()


def test_the_archive_is_downloaded_and_never_unpacked_to_disk(
    served: Path, tmp_path: Path, cache: Path
) -> None:
    (served / ARCHIVE).write_bytes(archive(CONTENTS))
    (tmp_path / "mine").mkdir()
    prepared = prepared_from(tmp_path / "mine", cache)
    assert prepared.n_train == 5 * N_ROWS
    assert [path.name for path in (cache / "downloads").iterdir()] == [ARCHIVE]
    assert list((tmp_path / "mine").iterdir()) == []
    again = locate(CONFIG, tmp_path / "mine", cache=cache, system_roots=())
    assert again == prepared.source


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"torn", "File not found or corrupted", id="other bytes"),
        pytest.param(None, "HTTP Error 404", id="not there"),
    ],
)
def test_a_download_that_fails_leaves_nothing_behind(
    content: bytes | None, reason: str, served: Path, tmp_path: Path, cache: Path
) -> None:
    if content is not None:
        (served / ARCHIVE).write_bytes(content)
    (tmp_path / "mine").mkdir()
    with pytest.raises(BadInputError, match=f"download failed: {reason}.*; download https://www"):
        prepared_from(tmp_path / "mine", cache)
    assert not cache.exists()


def test_two_that_want_a_set_at_once_download_it_once(
    served: Path, tmp_path: Path, cache: Path
) -> None:
    (served / ARCHIVE).write_bytes(archive(CONTENTS))
    (tmp_path / "mine").mkdir()
    prepared_from(tmp_path / "mine", tmp_path / "alone")
    n_asked_alone = len(CountingHandler.asked)
    source = locate(CONFIG, tmp_path / "mine", cache=cache, system_roots=())
    both = [Thread(target=prepare, args=(source,), kwargs={"cache": cache}) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(CountingHandler.asked) == 2 * n_asked_alone
    assert locate(CONFIG, tmp_path / "mine", cache=cache, system_roots=()).is_local
