from typing import Any

import pytest

from pipeline.config import check_study, digest
from pipeline.errors import BadInputError
from tests.app.studies import PRUNED_TOO


def resources(**given: Any) -> Any:
    return check_study(PRUNED_TOO | {"resources": given}, "small.yaml").resources


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2GiB", 2 * 2**30), ("1.5 MiB", 1_572_864), ("512KiB", 524_288), (1000, 1000)],
)
def test_memory_is_read_with_its_unit(text: Any, n_bytes: int) -> None:
    assert resources(memory=text).memory == n_bytes


def test_a_worker_takes_a_processor_by_default() -> None:
    assert resources().of_ray == {"num_cpus": 1.0, "num_gpus": 0.0, "memory": None}
    assert str(resources(gpus=0.25, memory="2GiB")) == "1 CPU, 0.25 GPU, 2 GiB of memory"


def test_resources_are_no_part_of_the_question() -> None:
    plain, other = (
        check_study(PRUNED_TOO | more, "small.yaml") for more in ({}, {"resources": {"cpus": 4}})
    )
    assert digest(plain) == digest(other)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"memory": "2GB"}, r"resources\.memory: got '2GB', expected .*2GiB"),
        ({"memory": "lots"}, r"resources\.memory: got 'lots'"),
        ({"memory": 0}, r"resources\.memory"),
        ({"cpus": 0}, r"resources\.cpus"),
        ({"gpus": -1}, r"resources\.gpus"),
        ({"cpu": 1}, r"resources\.cpu: .*cpus"),
    ],
)
def test_wrong_resources_are_refused(given: Any, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        resources(**given)
