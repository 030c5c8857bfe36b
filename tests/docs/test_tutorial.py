"""The tutorial is executed from the top in a kernel of its own, as Jupyter does it."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.app.studies import with_store

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs/tutorial.ipynb"
LARGEST_BYTES = 300_000


def test_the_tutorial_is_small_and_holds_no_results() -> None:
    assert TUTORIAL.stat().st_size < LARGEST_BYTES
    cells = json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in codes)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each cell of code has put out, by the code's first line."""
    folder = tmp_path_factory.mktemp("tutorial")
    with_store(folder / "mlruns")
    notebook: Any = nbformat.read(TUTORIAL, as_version=4)
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        client.execute()
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {cell.source.partition("\n")[0]: cell.outputs for cell in codes}


def of_kind(outputs: list[Any], kind: str) -> list[str]:
    """The outputs that have a kind of content."""
    return ["".join(one.data[kind]) for one in outputs if kind in one.get("data", {})]


def printed(outputs: list[Any]) -> str:
    """What a cell has printed."""
    return "".join(one.text for one in outputs if one.output_type == "stream")


@pytest.mark.slow
def test_the_run_shows_one_table_that_is_drawn_over(outputs: dict[str, list[Any]]) -> None:
    (run,) = outputs["result = study.run()"]  # and nothing is said beside it
    (line,) = of_kind([run], "text/html")
    assert "<td>tutorial</td><td>12 of 12</td>" in line


@pytest.mark.slow
def test_the_result_is_a_table_and_its_curves_are_drawn(outputs: dict[str, list[Any]]) -> None:
    (table,) = of_kind(outputs["result"], "text/html")
    assert "study tutorial: 12 complete, 0 pruned, 0 failed" in table
    assert "params_dropout_1" in table
    for first in ("curves = ", "best = "):
        (drawn,) = (one for line, one in outputs.items() if line.startswith(first))
        assert of_kind(drawn, "image/png")


@pytest.mark.slow
def test_the_network_predicts_is_reproduced_and_confirmed(outputs: dict[str, list[Any]]) -> None:
    found, right = printed(outputs["import torch"]).splitlines()
    pairs = zip(found.split(":")[1].split(","), right.split(":")[1].split(","), strict=True)
    assert sum(one == other for one, other in pairs) >= 6
    assert of_kind(outputs["again = study.reproduce()"], "text/plain") == ["'identical'"]
    progress = of_kind(outputs["confirmed = study.confirm(top=2, seeds=3)"], "text/html")
    assert "<th>trainings</th>" in progress[0]
    confirmed = printed(outputs["confirmed = study.confirm(top=2, seeds=3)"])
    assert "the baseline" in confirmed
    assert confirmed.count("test accuracy 0.") >= 2


@pytest.mark.slow
def test_a_module_written_by_a_cell_is_searched(outputs: dict[str, list[Any]]) -> None:
    shown = of_kind(outputs["mine = Study("], "text/html")
    assert "<td>3 of 3</td>" in shown[0]
    assert "study tutorial-mine: 3 complete, 0 pruned, 0 failed" in shown[1]
