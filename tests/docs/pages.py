"""Pages of the documents whose code is run as it is."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.studies import PRUNED_TOO, with_store


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a page's Python in a folder with a small ``study.yaml``, and give the names it leaves."""
    with_store(folder / "mlruns")
    changes = {"training": {"epochs": 2}, "search": {"trials": 2}, "trials": []}
    (folder / "study.yaml").write_text(yaml.safe_dump(PRUNED_TOO | changes))
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)  # noqa: S102 - the page's own code
    return names
