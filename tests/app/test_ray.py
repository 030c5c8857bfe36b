"""Studies on a real Ray cluster of several nodes on this machine."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.app.browse import show_study
from pipeline.app.workspace import Workspace
from tests.app.studies import (
    PRUNED_TOO,
    ROOT,
    check_ledgers_agree,
    command,
    file_of,
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
