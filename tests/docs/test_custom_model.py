"""The page on models of one's own, run as it stands, only smaller."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.long_form import long_form

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/custom-model.md").read_text(encoding="utf-8")
SMALL = [
    *("--set", "search.trials=2", "--set", "training.epochs=1", "--set", "data.test=0.6"),
    *("--workers", "1"),
]


def blocks(language: str) -> list[str]:
    """The page's blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page asks its reader to write."""
    path = tmp_path_factory.mktemp("custom-model")
    files = dict(re.findall(r"`(my_\w+\.(?:py|yaml))`[,:]\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))
    assert list(files) == ["my_module.py", "my_study.yaml", "my_resnet.py", "my_resnet.yaml"]
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def told(folder: Path, line: str, *more: str, code: int = 0) -> dict[str, Any]:
    """Run a line of the page in the folder, as the console script would, and read its JSON.

    ``-P`` keeps the working folder off the path, where the console script has it neither.
    """
    done = python(folder, "-P", "-m", *line.split(), *more, "--json")
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder, where it finds this project."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_first_example_is_at_most_thirty_lines() -> None:
    first = [blocks(language)[0] for language in ("python", "yaml", "sh")]
    assert sum(bool(line.strip()) for block in first for line in block.splitlines()) <= 30


@pytest.mark.slow
def test_the_page_s_module_is_searched_and_reproduced_and_its_code_is_watched(
    folder: Path,
) -> None:
    run, reproduce = blocks("sh")[0].splitlines()
    result = told(folder, run, *SMALL)
    assert result["trials"] == {"complete": 2, "pruned": 0, "failed": 0}
    assert set(result["best"]["params"]) == {"hidden", "dropout", "learning_rate"}
    assert told(folder, reproduce)["verdict"] == "identical"
    (load,) = [block for block in blocks("python") if "load_model" in block]
    loaded = python(folder, "-c", f"{load}\nprint(type(network).__name__, network.training)")
    assert loaded.stdout == "Net False\n", loaded.stderr
    module = folder / "my_module.py"
    module.write_text(module.read_text().replace("momentum=0.9", "momentum=0.8"))
    changed = told(folder, reproduce, code=1)
    assert changed["verdict"] == "different"
    assert changed["first_difference"].startswith("code: my_module.py ")


@pytest.mark.slow
@long_form
def test_the_page_s_resnet_is_searched(folder: Path) -> None:
    (run,) = blocks("sh")[1].splitlines()
    result = told(folder, run, *SMALL)
    assert result["trials"] == {"complete": 2, "pruned": 0, "failed": 0}
    assert result["best"]["value"] < 20
