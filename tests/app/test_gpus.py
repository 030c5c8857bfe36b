"""Workers spread over the GPUs of a machine; the machine of these tests has none."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from pipeline.app import training
from pipeline.app.placement import placement
from pipeline.app.placement.gpus import (
    GIB,
    Gpu,
    choose_gpus,
    name_gpus,
    place_workers,
    visible_gpus,
)
from pipeline.app.placement.placement import Job, Placement, Ray
from pipeline.config import check_study
from pipeline.errors import BadInputError
from tests.app.studies import PRUNED_TOO, run_command, study_in, table

TWO = [Gpu(address="4", memory_bytes=24 * GIB), Gpu(address="GPU-5f", memory_bytes=8 * GIB)]
SMALL = [Gpu(address="0", memory_bytes=2 * GIB)]


@pytest.mark.parametrize(
    ("n_seen", "visible", "addresses"),
    [
        pytest.param(2, None, ["0", "1"], id="all that there are"),
        pytest.param(2, "3,GPU-5f2", ["3", "GPU-5f2"], id="numbers and UUIDs"),
        pytest.param(2, " 1 , 0 ", ["1", "0"], id="blanks"),
        pytest.param(1, "2,-1,0", ["2"], id="up to the first that is not there"),
        pytest.param(1, "MIG-a,MIG-b", ["MIG-a", "MIG-b"], id="parts, of which CUDA lists one"),
        pytest.param(0, "MIG-a", [], id="none, whatever is named"),
        pytest.param(0, "", [], id="none is allowed"),
    ],
)
def test_gpus_are_called_what_cuda_was_told_to_call_them(
    n_seen: int, visible: str | None, addresses: list[str]
) -> None:
    found = name_gpus([{"name": "A", "memory_bytes": GIB}] * n_seen, visible)
    assert [gpu.address for gpu in found] == addresses


@pytest.mark.parametrize(
    ("asked", "addresses"), [("all", ["4", "GPU-5f"]), ("1,0", ["GPU-5f", "4"]), (" 1", ["GPU-5f"])]
)
def test_gpus_are_chosen_among_the_visible_ones(asked: str, addresses: list[str]) -> None:
    assert [gpu.address for gpu in choose_gpus(asked, TWO)] == addresses


@pytest.mark.parametrize(
    ("asked", "gpus", "message"),
    [
        ("0", [], r"torch sees no GPU here \(CUDA_VISIBLE_DEVICES is '7,8'\)"),
        ("2", TWO, r"got 2, expected all, or numbers from 0 to 1 .*: 2 GPUs are visible"),
        ("0,2", TWO, r"got 0,2, expected all, or numbers"),
        ("-1", SMALL, r"got -1, expected all, or numbers from 0 to 0 .*: 1 GPU is visible"),
        ("", TWO, r"got , expected all, or numbers"),
        ("0,", TWO, r"got 0,, expected all, or numbers"),
        ("ALL\x1b[2J", TWO, r"got ALL.*, expected all, or numbers"),
        ("1,0,1", TWO, r"got 1,0,1, expected GPU 1 once"),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    asked: str, gpus: Sequence[Gpu], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,8")
    with pytest.raises(BadInputError, match=f"^--gpus: {message}"):
        choose_gpus(asked, gpus)


@pytest.mark.parametrize(
    ("share", "n_workers", "addresses"),
    [
        pytest.param(0.0, None, ["4", "GPU-5f"], id="one each"),
        pytest.param(0.0, 5, ["4", "GPU-5f", "4", "GPU-5f", "4"], id="as many as are asked for"),
        pytest.param(0.5, None, ["4", "GPU-5f"] * 2, id="as many as fit"),
        pytest.param(0.1, 3, ["4", "GPU-5f", "4"], id="fewer than fit"),
        pytest.param(1.0, None, ["4", "GPU-5f"], id="a whole one"),
        pytest.param(0.0, 1, ["4"], id="fewer than there are"),
    ],
)
def test_workers_are_spread_evenly(
    share: float, n_workers: int | None, addresses: list[str]
) -> None:
    assert place_workers(TWO, share=share, n_workers=n_workers) == addresses


@pytest.mark.parametrize(
    ("share", "n_workers", "message"),
    [
        (0.5, 3, r"--workers: got 3, expected at most 2 on 1 GPU, by resources.gpus 0.5"),
        (2.0, None, r"resources.gpus: got 2, expected at most 1 with --gpus"),
        (0.0, 4, r"--gpus: got 4 workers on GPU 0 of 2 GiB, expected fewer: each takes 0.5 GiB"),
        (0.01, None, r"--gpus: got 100 workers on GPU 0 of 2 GiB, expected fewer"),
    ],
)
def test_workers_that_do_not_fit_are_refused(
    share: float, n_workers: int | None, message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        place_workers(SMALL, share=share, n_workers=n_workers)


def test_workers_whose_gpus_memory_is_unknown_are_placed() -> None:
    gpus = [Gpu(address="MIG-a")]
    assert place_workers(gpus, share=0.0, n_workers=9) == ["MIG-a"] * 9


def test_gpus_of_this_machine_are_refused_to_a_cluster() -> None:
    with pytest.raises(BadInputError, match=r"--gpus: not allowed with a Ray cluster, .*resources"):
        Placement(cluster=Ray(), gpus="all")


def test_gpus_are_refused_to_a_study_that_is_trained_on_the_processor() -> None:
    config = check_study(PRUNED_TOO | {"training": {"epochs": 1, "device": "cpu"}}, "small.yaml")
    job = Job(config=config, resources=config.resources, code=(), where="small.yaml")
    message = r"small.yaml: training.device: got cpu, expected auto or cuda with --gpus"
    with pytest.raises(BadInputError, match=message):
        Placement(gpus="all").gpu_of_each(job)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_command_that_wants_gpus_where_there_is_none_is_refused(home: Path) -> None:
    assert visible_gpus() == []
    refused = run_command("reproduce", "small", "--home", home, "--gpus", "0", code=2)
    assert refused.stderr.startswith("error: --gpus: torch sees no GPU here (CUDA_VISIBLE_DEVICES ")
    assert refused.stdout == ""


@pytest.mark.slow
def test_a_study_on_gpus_has_the_table_of_one_without(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("GPUS_SEEN", str(seen))
    monkeypatch.setattr(training, "FIT", "tests.app.fits:fit_and_tell_gpu")
    monkeypatch.setattr(placement, "visible_gpus", lambda: TWO)
    study_in(tmp_path / "home", resources={"gpus": 0.5}).run(gpus=[1, 0], workers=3)
    told = dict(line.split() for line in seen.read_text().splitlines())
    assert sorted(told.values()) == ["4", "GPU-5f", "GPU-5f"]
    assert table(tmp_path / "home") == table(home)
