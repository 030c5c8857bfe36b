"""Downloads through torchvision's class, from a server on this machine."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread

import pytest

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.data import PreparedData, Source, locate, prepare
from pipeline.learning.data.download import download
from pipeline.learning.torchvision_ops import ensure_torchvision

CONFIG = DataConfig(name="mnist")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder that the server offers, empty at first."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def _mirror(served: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    handler = partial(QuietHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        point_to(server.server_address[1], monkeypatch)
        yield
        server.shutdown()


def point_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision's class ask a port of this machine."""
    ensure_torchvision()
    mirrors = [f"http://127.0.0.1:{port}/"]
    monkeypatch.setattr(import_module("torchvision.datasets").MNIST, "mirrors", mirrors)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def planned(data_dir: Path, cache: Path) -> Source:
    """A source that has to be downloaded, where the user's own folder is empty."""
    data_dir.mkdir()
    return locate(CONFIG, data_dir, cache=cache, system_roots=())


@pytest.mark.usefixtures("_mirror")
def test_a_download_goes_to_the_cache_and_is_found_there_again(
    served: Path, real_data: Path, tmp_path: Path, cache: Path, mnist: PreparedData
) -> None:
    for path in (real_data / "MNIST" / "raw").iterdir():
        (served / path.name).symlink_to(path)
    prepared = prepare(planned(tmp_path / "mine", cache), cache=cache)
    assert prepared.sha256 == mnist.sha256
    assert list((tmp_path / "mine").iterdir()) == []
    assert [path.name for path in (cache / "downloads").iterdir()] == ["MNIST"]
    again = locate(CONFIG, tmp_path / "mine", cache=cache, system_roots=())
    assert again == prepared.source
    shutil.rmtree(cache)


@pytest.mark.usefixtures("_mirror")
def test_a_torn_file_never_counts_as_data(
    served: Path, real_data: Path, tmp_path: Path, cache: Path
) -> None:
    name = "train-images-idx3-ubyte.gz"
    (served / name).write_bytes((real_data / "MNIST" / "raw" / name).read_bytes()[:1_000_000])
    with pytest.raises(BadInputError, match=r"the download failed: .*File not found or corrupted"):
        prepare(planned(tmp_path / "mine", cache), cache=cache)
    assert not cache.exists()


@pytest.mark.usefixtures("_mirror")
def test_a_download_that_stops_half_way_leaves_what_was_there(
    served: Path, real_data: Path, tmp_path: Path, cache: Path
) -> None:
    raw = real_data / "MNIST" / "raw"
    shutil.copy(raw / "train-images-idx3-ubyte.gz", served)
    (served / "train-labels-idx1-ubyte.gz").write_bytes(b"torn")
    cache.mkdir(parents=True)
    (cache / "kept").write_text("")
    with pytest.raises(BadInputError, match=r"Error downloading train-labels-idx1-ubyte\.gz"):
        prepare(planned(tmp_path / "mine", cache), cache=cache)
    assert [path.name for path in cache.iterdir()] == ["kept"]


def test_a_machine_without_a_net_is_told_all_that_was_tried(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        point_to(free.getsockname()[1], monkeypatch)
        with pytest.raises(BadInputError, match="Connection refused") as caught:
            prepare(planned(tmp_path / "mine", cache), cache=cache)
    said = str(caught.value)
    assert (
        f"data set mnist: not found: no folder {tmp_path}/mine/MNIST/raw; no folder {cache}" in said
    )
    assert re.search(r"Tried http://127\.0\.0\.1:\d+/, got:", said)
    assert "from https://" in said
    assert "--data-dir DIR" in said
    assert not cache.exists()


def test_a_packaged_set_is_never_downloaded(cache: Path) -> None:
    with pytest.raises(TypeError, match="digits comes with a package and is never downloaded"):
        download(Source(name="digits", files=()), cache=cache)
