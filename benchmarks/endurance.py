"""Does a long study stay lean? Memory of a worker and time a trial, from the first to the last.

``python -m benchmarks.endurance [--trials 2000]`` runs tiny networks on the digits with two
workers and prints, for each tenth of the study, milliseconds a trial and what the largest worker
holds. Linux only: memory is read from ``/proc``.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import Study
from pipeline.app.workspace import Workspace
from pipeline.trial import Event, Progress, TrialOutcome

WARM_TRIALS = 20
MEBIBYTE = 2**20

STUDY = """
name: endurance
data: {name: digits}
model: {name: mlp}
space:
  depth: {low: 0, high: 2}
  width: {choices: [8, 16]}
  dropout: {low: 0.0, high: 0.5}
  batch_size: {choices: [256, 512]}
  learning_rate: {low: 1.0e-3, high: 1.0e-1, log: true}
training: {epochs: 2}
"""


class Probe(Progress):
    """Notes when each trial ends, and what the workers hold then."""

    def __init__(self) -> None:
        self.ended: list[float] = [time.perf_counter()]
        self.worker_bytes: list[int] = [0]

    def watch(self, event: Event) -> None:
        """Take an epoch or an outcome."""
        if isinstance(event, TrialOutcome):
            self.ended.append(time.perf_counter())
            self.worker_bytes.append(max(map(memory_of, workers_of(os.getpid())), default=0))


def workers_of(driver: int) -> Iterator[int]:
    """The processes that the driver's fork server has forked."""
    for server in children_of(driver):
        if b"pipeline.engines.fork_server" in Path(f"/proc/{server}/cmdline").read_bytes():
            yield from children_of(server)


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def memory_of(pid: int) -> int:
    """Bytes that are the process's own: what it shares with the fork server is not counted."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    private = (line.split() for line in lines if line.startswith("Private_"))
    return sum(1024 * int(words[1]) for words in private)


def measure(n_trials: int, *, sampler: str, workers: int) -> dict[str, Any]:
    """Run the study from nothing and sum it up."""
    probe = Probe()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "endurance.yaml"
        file.write_text(f"{STUDY}search: {{trials: {n_trials}, sampler: {sampler}}}\n")
        study = Study.load(file, workspace=Workspace(home=Path(folder) / "home"))
        result = study.run(workers=workers, progress=probe)
    tenth = n_trials // 10
    grown = max(probe.worker_bytes[WARM_TRIALS:]) - probe.worker_bytes[WARM_TRIALS]
    return {
        "trials": n_trials,
        "sampler": sampler,
        "workers": workers,
        "milliseconds_a_trial": [
            round(1000 * (probe.ended[tenth * (i + 1)] - probe.ended[tenth * i]) / tenth, 1)
            for i in range(10)
        ],
        "worker_mebibytes": [
            round(probe.worker_bytes[tenth * (i + 1)] / MEBIBYTE, 1) for i in range(10)
        ],
        "worker_growth_mebibytes": round(grown / MEBIBYTE, 1),
        "seconds": {name: round(spent, 1) for name, spent in result.seconds.items()},
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.trials, sampler=asked.sampler, workers=asked.workers), indent=1))


if __name__ == "__main__":
    main()
