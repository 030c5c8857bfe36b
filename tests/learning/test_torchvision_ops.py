"""torchvision can be imported beside any torch."""

import subprocess
import sys

import pytest

CODE = """
from pipeline.learning.torchvision_ops import ensure_torchvision
assert ensure_torchvision() is ensure_torchvision()
import torchvision.datasets, torchvision.transforms.v2
print(torchvision.__version__)
"""


@pytest.mark.parametrize("again", ["", "ensure_torchvision()"], ids=["once", "again after it"])
def test_torchvision_can_be_imported_in_a_new_process(again: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE + again],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
