"""The peers by name, and how one is run: as a process of its own."""

import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks.task import Result


class PeerFailedError(Exception):
    """A peer's process ended with an error."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Something that trains a list of settings.

    Attributes:
        label: What tables call it.
        words: Its module in ``benchmarks.peers`` and that module's own arguments.
        needs: Packages of the ``bench`` extra.
    """

    label: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> str | None:
        """Say why it cannot run here, or nothing."""
        absent = [package for package in self.needs if find_spec(package) is None]
        return f"{', '.join(absent)} not installed" if absent else None


DOCUMENTED: Final = "documented"
BARE: Final = "bare"
PEERS: Final = {
    DOCUMENTED: Peer(label="(a) Lightning + Optuna + MLflow", words=("documented",)),
    "ray-tune": Peer(label="(b) Ray Tune + MLflow", words=("ray_tune",), needs=("ray",)),
    "keras-tuner": Peer(
        label="(c) Keras Tuner on torch", words=("keras_tuner",), needs=("keras", "keras_tuner")
    ),
    BARE: Peer(label="(d) bare PyTorch loop", words=("bare",)),
    "alone": Peer(label="(e1) this project, alone", words=("ours", "alone")),
    "fused": Peer(label="(e2) this project, fused", words=("ours", "fused")),
    "bf16": Peer(label="(e3) this project, fused, bfloat16", words=("ours", "bf16")),
    "ray": Peer(label="(e4) this project, fused, on Ray", words=("ours", "ray"), needs=("ray",)),
}


def run_peer(peer: Peer, work: Path) -> Result:
    """Run a peer to its end; what it says goes to ``<module>.log`` in the work folder.

    Raises:
        PeerFailedError: It ended with an error; the message is the end of what it said.
    """
    module, *arguments = peer.words
    line = [sys.executable, "-m", f"benchmarks.peers.{module}", *arguments]
    log = work / f"{module}.log"
    with log.open("w", encoding="utf-8") as stderr:
        done = subprocess.run(
            [*line, "--work", str(work), "--started", str(time.time())],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
        )
    if done.returncode:
        raise PeerFailedError(_end_of(log))
    return Result.from_output(done.stdout)


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
