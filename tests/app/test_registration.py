"""A study's networks in MLflow's registry, for whoever knows MLflow and not this project."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_digits

from pipeline import load_model
from pipeline.app.doctor import examine
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.tracking.store import tracking_uri
from tests.app.servers import Server
from tests.app.studies import run_command, study_in
from tests.learning.custom.trials import MODULES
from tests.long_form import in_long_form, long_form
from tests.warm.python import PYTHON

pytestmark = pytest.mark.slow

STUDY: dict[str, Any] = {
    "name": "served.digits",
    "data": {"name": "digits", "validation": 0.25},
    "space": {
        "depth": 1,
        "width": {"choices": [8, 32]},
        "dropout": {"low": 0.0, "high": 0.6},
        "batch_size": 64,
        "learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
    },
    "training": {"epochs": 2},
    "search": {"trials": 2, "sampler": "random", "stopping": "none", "seed": 1},
    "trials": [{"width": 8, "dropout": 0.5, "learning_rate": 0.001}],
}
NAME = STUDY["name"]
ALONE = """
import os, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        assert name.split(".")[0] not in ("pipeline", "pytorch_lightning", "torchvision"), name

sys.meta_path.insert(0, Forbidden())
import mlflow, numpy
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
numpy.save(sys.argv[4], model.predict(numpy.load(sys.argv[3])))
"""
"""A client that knows MLflow only."""


def studied(home: Path, **changes: Any) -> Study:
    """The study, its networks to be registered."""
    study = study_in(home, **STUDY | changes)
    return replace(study, workspace=replace(study.workspace, registers_models=True))


def more_trials(home: Path, trials: int) -> Study:
    """The same study with a larger total."""
    return studied(home, search=STUDY["search"] | {"trials": trials})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the study, run to its end."""
    home = tmp_path_factory.mktemp("registered") / "home"
    result = studied(home).run(workers=1)
    assert result.models is not None
    assert result.models.problem is None
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    """A copy of it in another place."""
    return Path(shutil.copytree(finished, tmp_path / "home"))


def client_of(home: Path) -> MlflowClient:
    """MLflow as a person has it."""
    return MlflowClient(tracking_uri(home), registry_uri=tracking_uri(home))


def versions(client: MlflowClient) -> dict[int, ModelVersion]:
    """All versions of the study's model."""
    found = client.search_model_versions(f"name = '{NAME}'")
    return {int(version.version): version for version in found}


def trials_by_alias(client: MlflowClient) -> dict[str, int]:
    """Whose network has an alias."""
    aliases = client.get_registered_model(NAME).aliases
    found = versions(client)
    return {alias: int(found[int(version)].tags["trial"]) for alias, version in aliases.items()}


def digits() -> Any:
    """Rows as scikit-learn has them: pixels from 0 to 16."""
    return load_digits().images[:40].astype(np.float32)


def own_outputs(home: Path, trial: int) -> Any:
    """What the trial's own network gives for them."""
    workspace = Workspace(home=home, tracking_uri=None)
    network = load_model(NAME, trial=trial, workspace=workspace)
    with torch.no_grad():
        return network(torch.from_numpy(digits()) / 16).numpy()


def test_best_and_baseline_are_registered_with_what_a_prediction_needs(finished: Path) -> None:
    client = client_of(finished)
    result = studied(finished).show()
    assert result.best is not None
    assert result.best.number == 1, "else best and baseline are one version"
    assert trials_by_alias(client) == {"best": 1, "baseline": 0, "champion": 1}
    for version in versions(client).values():
        assert version.tags["confirmed"] == "false"
        assert "takes float32 [rows, 8, 8] (rows, height, width)" in str(version.description)
        assert version.run_id == result.trials[int(version.tags["trial"])].run_id
        assert (
            version.tags["weights_sha256"]
            == result.trials[int(version.tags["trial"])].weights_sha256
        )
    (logged,) = client.search_logged_models(
        [client.get_run(str(result.best.run_id)).info.experiment_id],
        f"source_run_id = '{result.best.run_id}'",
    )
    folder = Path(logged.artifact_location.removeprefix("file://"))
    model = (folder / "MLmodel").read_text()
    assert '"dtype": "float32", "shape": [-1, 8,' in model
    assert "class_names" in model
    assert str(finished) not in model
    assert json.loads((folder / "input_example.json").read_text())
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pth")]


def test_a_client_that_knows_mlflow_only_gets_the_trial_s_own_predictions(
    finished: Path, tmp_path: Path
) -> None:
    rows, outputs = tmp_path / "rows.npy", tmp_path / "outputs.npy"
    np.save(rows, digits())
    done = subprocess.run(
        [
            PYTHON,
            "-P",
            "-c",
            ALONE,
            tracking_uri(finished),
            f"models:/{NAME}@champion",
            rows,
            outputs,
        ],
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(outputs), own_outputs(finished, 1))


def test_a_served_model_answers_with_the_trial_s_own_predictions(
    finished: Path, tmp_path: Path
) -> None:
    with serving(finished, f"models:/{NAME}@champion", tmp_path) as address:
        answer = asked(address, {"inputs": digits().tolist()})
    found = np.array(answer["predictions"], dtype=np.float32)
    assert np.array_equal(found, own_outputs(finished, 1))


@contextmanager
def serving(home: Path, model: str, folder: Path) -> Iterator[str]:
    """MLflow's own server of a model, as ``mlflow models serve --env-manager local`` starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # MLflow calls `uvicorn`, which is found where the environment is activated.
    script = folder / "uvicorn"
    script.write_text(f'#!/bin/sh\nexec {PYTHON} -m uvicorn "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    words = ["models", "serve", "-m", model, "--env-manager", "local", "-p", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, "-P", "-m", "mlflow", *words],
            env=os.environ
            | {"MLFLOW_TRACKING_URI": tracking_uri(home), "OMP_NUM_THREADS": "1"}
            | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
            | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=folder,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        while not answers(address):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    """Whether a served model is there."""
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def asked(address: str, question: dict[str, Any]) -> dict[str, Any]:
    """Ask a served model."""
    request = urllib.request.Request(
        f"{address}/invocations",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_a_second_run_that_finds_better_moves_the_aliases_and_keeps_the_version(home: Path) -> None:
    before = versions(client_of(home))
    result = more_trials(home, 6).run(workers=1)
    assert result.best is not None
    assert result.best.number > 1, "else nothing better was found"
    best = result.best.number
    client = client_of(home)
    assert trials_by_alias(client) == {"best": best, "baseline": 0, "champion": best}
    after = versions(client)
    assert sorted(after) == [1, 2, 3]
    for number, version in before.items():
        assert after[number].tags == version.tags
        assert after[number].run_id == version.run_id


def test_a_confirmed_champion_stays_when_a_later_run_finds_better(home: Path) -> None:
    study = studied(home)
    confirmed = study.confirm(top=1, seeds=2, workers=1)
    client = client_of(home)
    assert confirmed.models is not None
    assert confirmed.models.problem is None
    winner = confirmed.answer.winner
    assert trials_by_alias(client)["champion"] == winner
    champion = client.get_model_version_by_alias(NAME, "champion")
    assert champion.tags["confirmed"] == "true"
    more_trials(home, 6).run(workers=1)
    found = trials_by_alias(client)
    assert found["best"] > 1
    assert found["champion"] == winner
    assert client.get_model_version_by_alias(NAME, "champion").version == champion.version


def test_the_same_command_again_registers_nothing_twice(home: Path) -> None:
    client = client_of(home)
    study = studied(home)
    study.run(workers=1)
    assert sorted(versions(client)) == [1, 2]
    study.export("mlflow", trial=0)
    assert sorted(versions(client)) == [1, 2]
    assert examine(study.workspace, fix=False).is_healthy


@pytest.mark.parametrize(
    "died",
    [
        "before the files",
        in_long_form("before the version"),
        in_long_form("before the alias"),
    ],
)
def test_a_run_that_was_killed_while_it_registered_is_completed_by_the_next(
    home: Path, died: str
) -> None:
    study = studied(home)
    client = client_of(home)
    best = study.show().best
    assert best is not None
    champion = client.get_model_version_by_alias(NAME, "champion")
    client.delete_registered_model_alias(NAME, "champion")
    client.delete_registered_model_alias(NAME, "best")
    if died != "before the alias":
        client.delete_model_version(NAME, champion.version)
    experiment = client.get_run(str(best.run_id)).info.experiment_id
    condition = f"source_run_id = '{best.run_id}'"
    (model,) = client.search_logged_models([experiment], condition)
    if died == "before the files":
        client.delete_logged_model(model.model_id)
        client.create_logged_model(experiment, "trial-001", str(best.run_id), model.tags)
    study.run(workers=1)
    assert trials_by_alias(client) == {"best": 1, "baseline": 0, "champion": 1}
    (whole,) = client.search_logged_models([experiment], condition)
    assert whole.status == "READY"
    assert (whole.model_id == model.model_id) == (died != "before the files")


def test_a_home_that_was_moved_serves_from_where_it_is(finished: Path, home: Path) -> None:
    own_outputs(home, 1)  # what reads the home puts its addresses right
    client = client_of(home)
    version = client.get_model_version_by_alias(NAME, "champion")
    place = client.get_model_version_download_uri(NAME, version.version)
    assert place.startswith((home / "artifacts" / NAME / "models").as_uri())
    assert str(finished) not in place
    assert version.source == place


def test_a_module_that_cannot_be_exported_does_not_fail_its_study(home: Path) -> None:
    study = studied(
        home,
        name="branching",
        model={"class_path": f"{MODULES}.Branching"},
        space={"hidden": 8, "batch_size": 64},
        training={"epochs": 1},
        search={"trials": 1, "sampler": "random"},
        trials=[],
    )
    result = study.run(workers=1)
    assert result.counts["complete"] == 1
    assert result.models is not None
    assert result.models.aliases == {}
    assert "Branching of trial 0: torch.export cannot export it" in str(result.models.problem)


@long_form
def test_on_a_server_networks_are_registered_as_well(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        study = studied(tmp_path / "home")
        study = replace(study, workspace=replace(study.workspace, tracking_uri=server.address))
        result = study.run(workers=1)
        assert result.models is not None
        assert result.models.problem is None
        client = MlflowClient(server.address, registry_uri=server.address)
        assert trials_by_alias(client) == {"best": 1, "baseline": 0, "champion": 1}


def test_the_command_says_where_models_are_or_that_none_were_wanted(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.app.studies import PRUNED_TOO, file_of

    monkeypatch.delenv("PIPELINE_NO_MODELS")
    file = file_of(tmp_path, PRUNED_TOO | STUDY)
    told = run_command("run", file, "--home", home, "--workers", "1").stdout
    assert f"models: best models:/{NAME}/1, baseline models:/{NAME}/2, champion" in told
    silent = run_command("run", file, "--home", home, "--workers", "1", "--no-models", "--json")
    assert json.loads(silent.stdout)["models"] is None
