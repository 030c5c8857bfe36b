"""Studies on a real Ray cluster of several nodes on this machine."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline.app.browse import show_study
from pipeline.app.placement.placement import Placement, Ray
from pipeline.app.retraining.confirm import Candidates
from pipeline.app.workspace import Workspace
from tests.app.studies import (
    PRUNED_TOO,
    ROOT,
    check_ledgers_agree,
    command,
    file_of,
    run_command,
    searched,
    table,
    with_store,
)
from tests.engines.clusters import add_node, cluster

pytestmark = pytest.mark.slow
N_TRIALS = 14
Start = Callable[..., subprocess.Popen[str]]

OWN = """
from pathlib import Path

import torch
from pytorch_lightning import LightningModule

from own_layers import layers


class Net(LightningModule):
    def __init__(self, n_inputs, n_classes, dropout, learning_rate, mark):
        super().__init__()
        Path(mark).write_text(__file__)
        self.network = layers(n_inputs, n_classes, dropout)
        self.learning_rate = learning_rate

    def forward(self, rows):
        return self.network(rows.flatten(1).float())

    def training_step(self, batch, index):
        return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val_loss", torch.nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.learning_rate)
"""
DATA = """
import os
from pathlib import Path

import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset


class Rows(LightningDataModule):
    def __init__(self, root):
        super().__init__()
        self.root = Path(os.environ.get("OWN_ROOT", root))

    def setup(self, stage):
        rows = torch.load(self.root / "rows.pt")
        self.rows = TensorDataset(rows, (rows.sum(1) > 0).long())

    def train_dataloader(self):
        return DataLoader(self.rows, batch_size=8)

    def val_dataloader(self):
        return DataLoader(self.rows, batch_size=8)
"""
LAYERS = """
from torch import nn


def layers(n_inputs, n_classes, dropout):
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(n_inputs, n_classes))
"""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of a head that trains nothing and two nodes of one CPU."""
    with cluster(0, 1, 1) as started:
        yield started


@pytest.fixture
def start(nodes: Any) -> Iterator[Start]:
    """Starts drivers on the cluster; they end with the test, also when it fails."""
    with ExitStack() as drivers:

        def start_driver(file: Path, home: Path, **more: Any) -> subprocess.Popen[str]:
            words = ("run", file, "--home", home, "--engine", "ray")
            driver = subprocess.Popen(
                command(*words, "--ray-address", nodes.address),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **({"cwd": ROOT} | more),
            )
            drivers.enter_context(driver)
            drivers.callback(driver.kill)
            return driver

        yield start_driver


def read_until(driver: subprocess.Popen[str], n_ended: int) -> None:
    assert driver.stderr is not None
    said = ""
    for line in driver.stderr:
        said += line
        if line.startswith(f"[{n_ended}/"):
            return
    pytest.fail(said)


def test_a_node_is_lost_and_the_driver_killed_and_the_table_is_that_of_one_machine(
    start: Start, nodes: Any, tmp_path: Path
) -> None:
    home, other = with_store(tmp_path / "cluster"), tmp_path / "machine"
    file = file_of(tmp_path)
    driver = start(file, home)
    read_until(driver, 2)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    read_until(driver, 6)
    driver.kill()
    assert driver.communicate()[0] == ""  # Ray's words on the lost node stay out of it
    add_node(nodes, 1)
    again = start(file, home)
    _, said = again.communicate(timeout=200)
    assert again.returncode == 0, said
    check_ledgers_agree(home, N_TRIALS)
    searched(other).run(workers=1)
    assert table(home) == table(other)


def test_own_classes_are_brought_to_the_nodes_with_what_lies_beside_them(
    start: Start, tmp_path: Path
) -> None:
    home = with_store(tmp_path / "home")
    code = tmp_path / "code"
    code.mkdir()
    (code / "own_net.py").write_text(OWN)
    (code / "own_layers.py").write_text(LAYERS)
    space = {"learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}, "dropout": 0.1}
    study = PRUNED_TOO | {
        "name": "own",
        "model": {"class_path": "own_net.Net", "init_args": {"mark": str(tmp_path / "mark")}},
        "space": space | {"n_inputs": 64, "n_classes": 10, "batch_size": 32},
        "search": {"trials": 3, "sampler": "random"},
        "trials": [],
    }
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(study))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    driver = start(file, home, cwd=code, env=environment)
    _, said = driver.communicate(timeout=200)
    assert driver.returncode == 0, said
    rows = show_study(Workspace(home=home, tracking_uri=None), "own").trials
    assert [row.state.name for row in rows] == ["COMPLETE"] * 3, [row.cause for row in rows]
    assert "runtime_resources" in (tmp_path / "mark").read_text()


def test_a_node_that_lacks_the_data_is_refused_before_anything_is_written(
    start: Start, nodes: Any, tmp_path: Path
) -> None:
    code, home = tmp_path / "code", tmp_path / "home"
    code.mkdir()
    (code / "own_rows.py").write_text(DATA)
    torch.save(torch.randn(32, 64), code / "rows.pt")
    data = {"class_path": "own_rows.Rows", "init_args": {"root": str(code)}}
    space = {"depth": 0, "batch_size": 8, "learning_rate": 0.1}
    study = PRUNED_TOO | {"name": "own", "data": data, "space": space, "trials": []}
    file = file_of(tmp_path, study)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    node = add_node(nodes, 1, OWN_ROOT="/nowhere")
    try:
        driver = start(file, home, cwd=code, env=environment)
        _, said = driver.communicate(timeout=200)
    finally:
        nodes.remove_node(node)
    assert driver.returncode == 2, said
    assert "cannot train this study: reading own_rows.Rows raises FileNotFoundError" in said
    assert "/nowhere/rows.pt" in said
    assert not home.exists()


def test_a_trial_is_reproduced_and_confirmed_on_a_cluster_as_on_one_machine(
    nodes: Any, home: Path, tmp_path: Path
) -> None:
    places = {
        "machine": Placement(workers=1),
        "cluster": Placement(cluster=Ray(address=nodes.address)),
    }
    values = {}
    for name, placement in places.items():
        shutil.copytree(home, tmp_path / name)
        workspace = Workspace(home=tmp_path / name, tracking_uri=None)
        confirmed = Candidates.read(workspace, "small", top=1).confirm(seeds=1, placement=placement)
        values[name] = [(one.number, one.value.mean) for one in confirmed.answer.candidates]
    assert values["cluster"] == values["machine"]
    words = ("reproduce", "small", "--home", tmp_path / "cluster", "--json")
    told = run_command(*words, "--engine", "ray", "--ray-address", nodes.address)
    assert json.loads(told.stdout)["verdict"] == "identical"
