"""torchvision can be imported beside any torch."""

import subprocess
import sys

CODE = """
from pipeline.learning.torchvision_ops import ensure_torchvision
assert ensure_torchvision() is ensure_torchvision()
import torchvision.datasets, torchvision.transforms.v2
ensure_torchvision()
print(torchvision.__version__)
"""


def test_torchvision_can_be_imported_in_a_new_process() -> None:
    command = [sys.executable, "-W", "ignore", "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
