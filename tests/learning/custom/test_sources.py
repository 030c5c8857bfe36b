"""The user's own source files are digested."""

import hashlib
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.learning.custom.sources import custom_sources


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which modules are found; what is imported from it is forgotten again."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def digest(path: Path) -> str:
    """As ``sha256sum`` prints it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_module_is_digested_with_what_it_imported_from_its_folder(folder: Path) -> None:
    (folder / "own_layers.py").write_text("WIDE = 3\n")
    (folder / "own_unused.py").write_text("")
    (folder / "own_net.py").write_text("import own_layers\nclass Net: pass\n")
    found = custom_sources(import_module("own_net").Net)
    assert found == {name: digest(folder / name) for name in ("own_layers.py", "own_net.py")}


def test_every_file_of_a_package_is_digested(folder: Path) -> None:
    (folder / "own_package/deep").mkdir(parents=True)
    for name in ("__init__.py", "unused.py", "deep/__init__.py"):
        (folder / "own_package" / name).touch()
    (folder / "own_package/deep/net.py").write_text("class Net: pass\n")
    found = custom_sources(import_module("own_package.deep.net").Net)
    assert set(found) == {
        "own_package/__init__.py",
        "own_package/unused.py",
        "own_package/deep/__init__.py",
        "own_package/deep/net.py",
    }


def test_a_module_without_a_file_of_its_own_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "own_pretender", ModuleType("own_pretender"))
    sys.modules["own_pretender"].__file__ = "pretender.py"
    (folder / "own_alone.py").write_text("class Net: pass\n")
    assert set(custom_sources(import_module("own_alone").Net)) == {"own_alone.py"}


def test_of_an_installed_package_only_the_class_s_own_file_is_digested() -> None:
    resnet = import_module("torchvision.models.resnet").ResNet
    assert set(custom_sources(resnet)) == {"torchvision/models/resnet.py"}
