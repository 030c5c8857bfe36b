"""``lightning`` and ``pytorch_lightning`` are one package to a user's module."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import TrialConfig
from pipeline.learning.custom.classes import find_class
from pipeline.learning.custom.namespaces import ROOT, OneLightning, is_derived, unite_lightning
from pipeline.learning.lightning import LightningDataModule, LightningModule, pytorch_lightning
from pipeline.trial import TrialState
from tests.learning.custom.trials import fit_on_own, own_trial
from tests.long_form import long_form

TEMPLATE = "tests.learning.custom.template"


@pytest.fixture(autouse=True)
def united() -> None:
    """Whatever ran before in this process."""
    unite_lightning()


@pytest.mark.parametrize(
    ("name", "its_own"),
    [
        ("lightning.pytorch", "pytorch_lightning"),
        (
            "lightning.pytorch.callbacks.early_stopping",
            "pytorch_lightning.callbacks.early_stopping",
        ),
        ("lightning.pytorch.utilities.rank_zero", "pytorch_lightning.utilities.rank_zero"),
        ("lightning.fabric.utilities.seed", "lightning_fabric.utilities.seed"),
    ],
)
def test_a_module_of_lightning_is_its_twin(name: str, its_own: str) -> None:
    module = importlib.import_module(name)
    assert module is importlib.import_module(its_own)
    spec = module.__spec__
    assert spec is not None
    assert spec.name == its_own


def test_the_package_itself_has_the_names_that_it_exports() -> None:
    found = importlib.import_module(ROOT)
    assert found.LightningModule is LightningModule
    assert found.LightningDataModule is LightningDataModule
    assert found.Trainer is pytorch_lightning.Trainer
    assert found.pytorch.callbacks is pytorch_lightning.callbacks
    assert found.fabric.Fabric is found.Fabric
    assert {"Trainer", "Callback", "Fabric", "seed_everything"} <= set(found.__all__)


@pytest.mark.parametrize("name", ["lightning.no_such_part", "lightning.pytorch.no_such_module"])
def test_what_is_not_there_is_an_ordinary_import_error(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
        importlib.import_module(name)


def test_uniting_twice_adds_no_second_finder() -> None:
    unite_lightning()
    assert sum(isinstance(one, OneLightning) for one in sys.meta_path) == 1


@pytest.mark.parametrize("name", ["Classifier", "Twin"])
def test_a_class_of_a_template_is_found(name: str) -> None:
    assert issubclass(find_class(f"{TEMPLATE}.{name}", "model", where="here").cls, LightningModule)


def test_a_template_is_trained_as_it_is_and_comes_to_the_same_bits() -> None:
    plain = own_trial(hidden=8, lr=0.02).model_dump(exclude={"model", "data"})
    classes = {"model": "Classifier", "data": "Clouds"}
    paths = {key: {"class_path": f"{TEMPLATE}.{name}"} for key, name in classes.items()}
    config = TrialConfig.model_validate(plain | paths)
    first, second = fit_on_own(config), fit_on_own(config)
    assert first.state is TrialState.COMPLETE, first.cause
    assert len(first.curve) == 3
    assert first.weights_sha256 == second.weights_sha256


class _Elsewhere(type("LightningModule", (), {"__module__": "lightning.pytorch.core.module"})):  # type: ignore[misc]
    """Derives from the other package's class, as in a notebook that imported it before."""


def test_a_class_of_the_other_package_is_known_by_its_name() -> None:
    assert is_derived(_Elsewhere, LightningModule)
    assert not is_derived(_Elsewhere, LightningDataModule)


IN_A_NOTEBOOK = """
import sys
from pathlib import Path
from pipeline.learning.torchvision_ops import ensure_torchvision
ensure_torchvision()  # else Lightning's import fails where torchvision's wheel is built for CUDA
import lightning as L  # the real package, before this project's
assert "site-packages" in L.__file__
from pipeline import Study
from mlflow.tracking import MlflowClient
from pipeline.app.doctor import examine
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
study = Study(
    name="notebook",
    data={"class_path": "tests.learning.custom.template.Clouds"},
    model={"class_path": "tests.learning.custom.template.Classifier"},
    space={"hidden": {"choices": [4, 8]}, "lr": 0.01},
    training={"epochs": 2},
    search={"trials": 2, "sampler": "random", "stopping": "none"},
    workspace=Workspace(home=Path(sys.argv[1])),
)
result = study.run(workers=1)
assert result.counts == {"complete": 2, "pruned": 0, "failed": 0}, result.trials
run = MlflowClient(study.workspace.ledger_uri).get_run(result.best.run_id)
assert "grad_2.0_norm_total" in run.data.metrics
assert examine(study.workspace).is_healthy
assert reproduce(study.workspace, "notebook").as_json()["verdict"] == "identical"
"""


@pytest.mark.slow
@long_form
def test_the_real_package_may_have_been_imported_before(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NOTEBOOK, str(tmp_path / "home")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert done.returncode == 0, done.stderr
