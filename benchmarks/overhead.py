"""What Ray costs: one study by local processes and on a cluster of this machine, in turn.

``python -m benchmarks.overhead [--study FILE] [--repeat 5]`` prints each turn's seconds, start-up
apart, and the median of the turns' ratios; it fails where the two tables differ. On a machine that
does other work meanwhile processor seconds say more: those of all processes of a study, Ray's own
too, from its first trial's end to the end (by the kernel's group ``cpuacct``, for which it needs
root and cgroup v1; elsewhere they are left out).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from benchmarks.machine import describe_run
from benchmarks.peers.ours import pipeline
from benchmarks.task import n_cores

ROOT: Final = Path(__file__).parents[1]
ENGINES: Final = {"local": (), "ray": ("--engine", "ray", "--ray-address", "local")}
"""The address ``local`` starts a cluster of its own, whatever else runs on the machine."""
ACCOUNTS: Final = Path("/sys/fs/cgroup/cpuacct")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The study once by each engine.

    Attributes:
        seconds: By engine, start-up apart.
        start_up: By engine.
        processor: By engine, processor seconds; none where they cannot be had.
        ledger: By engine, the result's other seconds.
    """

    seconds: dict[str, float]
    start_up: dict[str, float]
    processor: dict[str, float]
    ledger: dict[str, dict[str, float]]

    @property
    def ratio(self) -> float:
        """Ray's seconds by those of local processes."""
        return self.seconds["ray"] / self.seconds["local"]

    @property
    def processor_ratio(self) -> float:
        """Ray's processor seconds by those of local processes."""
        return self.processor["ray"] / self.processor["local"]


def take_turn(file: Path, options: Sequence[str], *, first: str) -> Turn:
    """Run the study by each engine in a new home.

    Raises:
        ValueError: Their tables differ.
    """
    name = yaml.safe_load(file.read_text(encoding="utf-8"))["name"]
    ledgers: dict[str, dict[str, float]] = {}
    processor: dict[str, float] = {}
    tables: dict[str, Any] = {}
    for engine in sorted(ENGINES, key=lambda engine: engine != first):
        with TemporaryDirectory(prefix="bench-") as folder, accounting() as group:
            home = Path(folder)
            words = (*ENGINES[engine], "--workers", str(n_cores()), *options)
            ledgers[engine], seconds = run(file, words, home=home, group=group)
            processor |= {} if seconds is None else {engine: seconds}
            tables[engine] = table(pipeline("show", name, home=home)["trials"])
    if tables["ray"] != tables["local"]:
        message = "the two engines gave different tables"
        raise ValueError(message)
    return Turn(
        seconds={engine: one["total"] - one["start_up"] for engine, one in ledgers.items()},
        start_up={engine: one["start_up"] for engine, one in ledgers.items()},
        processor=processor,
        ledger=ledgers,
    )


@contextmanager
def accounting() -> Iterator[Path | None]:
    """A group of the kernel's that counts what its processes compute; ``None`` where it cannot."""
    group = ACCOUNTS / f"bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        while (group / "cgroup.procs").read_text():  # what Ray has ended ends soon
            time.sleep(0.1)
        group.rmdir()


def run(
    file: Path, words: Sequence[str], *, home: Path, group: Path | None
) -> tuple[dict[str, float], float | None]:
    """Run a study; give the seconds of its result, and its processor seconds."""

    def join() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    driver = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", str(file), *words, "--home", str(home), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=join,  # noqa: PLW1509 - this process has one thread
    )
    assert driver.stderr is not None
    before = next((used(group) for line in driver.stderr if line.startswith("[")), None)
    stdout, stderr = driver.communicate()
    assert driver.returncode == 0, stderr
    after = used(group)
    seconds = None if before is None or after is None else after - before
    return json.loads(stdout)["seconds"], seconds


def used(group: Path | None) -> float | None:
    """Processor seconds of a group so far."""
    return None if group is None else int((group / "cpuacct.usage").read_text()) / 1e9


def table(trials: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What must not depend on the engine."""
    columns = ("number", "state", "value", "params", "weights_sha256")
    return [tuple(trial[column] for column in columns) for trial in trials]


def summary(turns: Sequence[Turn]) -> str:
    """The medians in one line."""
    seconds = {engine: median(turn.seconds[engine] for turn in turns) for engine in ENGINES}
    line = f"{len(turns)} turns: local {seconds['local']:.1f} s, Ray {seconds['ray']:.1f} s; "
    line += f"ratio {spread([turn.ratio for turn in turns])}"
    if any(not turn.processor for turn in turns):
        return line
    return f"{line}; of processor seconds {spread([turn.processor_ratio for turn in turns])}"


def spread(values: Sequence[float]) -> str:
    """The median, the lowest and the highest.

    >>> spread([1.0, 1.25, 1.05])
    '1.050 (1.000 to 1.250)'
    """
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main(words: Sequence[str]) -> None:
    """Take the turns, and print them as they end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--study", type=Path, default=ROOT / "studies/mnist_5k_mlp.yaml")
    parser.add_argument("--repeat", type=int, default=5, metavar="N")
    parser.add_argument("--data-dir", metavar="FOLDER", help="in torchvision's layout")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the turns there as well")
    asked = parser.parse_args(words)
    options = ["--data-dir", asked.data_dir] if asked.data_dir else []
    turns: list[Turn] = []
    for number in range(asked.repeat):
        first = list(ENGINES)[number % len(ENGINES)]
        turns.append(take_turn(asked.study, options, first=first))
        print(json.dumps(asdict(turns[-1])), flush=True)
        print(summary(turns), flush=True)
    if asked.json:
        document = describe_run("benchmarks.overhead", words) | {"turns": [*map(asdict, turns)]}
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
