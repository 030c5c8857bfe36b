"""What Ray costs: one study by local processes and on a cluster of this machine, in turn.

``python -m benchmarks.overhead [--study FILE] [--repeat 5]`` prints each turn's seconds, start-up
apart, and the median of the turns' ratios; it fails where the two tables differ.
"""

import argparse
import json
import sys
from collections.abc import Sequence
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
"""``local`` starts a cluster of its own, whatever else runs on the machine."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The study once by each engine.

    Attributes:
        seconds: By engine, start-up apart.
        start_up: By engine.
        ledger: By engine, the result's other seconds.
    """

    seconds: dict[str, float]
    start_up: dict[str, float]
    ledger: dict[str, dict[str, float]]

    @property
    def ratio(self) -> float:
        """Ray's seconds by those of local processes."""
        return self.seconds["ray"] / self.seconds["local"]


def take_turn(file: Path, options: Sequence[str], *, first: str) -> Turn:
    """Run the study by each engine in a new home.

    Raises:
        ValueError: Their tables differ.
    """
    name = yaml.safe_load(file.read_text(encoding="utf-8"))["name"]
    order = sorted(ENGINES, key=lambda engine: engine != first)
    ledgers: dict[str, dict[str, float]] = {}
    tables: dict[str, Any] = {}
    for engine in order:
        with TemporaryDirectory(prefix="bench-") as folder:
            home = Path(folder)
            words = (*ENGINES[engine], "--workers", str(n_cores()), *options)
            ledgers[engine] = pipeline("run", file, *words, home=home)["seconds"]
            tables[engine] = table(pipeline("show", name, home=home)["trials"])
    if tables["ray"] != tables["local"]:
        message = "the two engines gave different tables"
        raise ValueError(message)
    return Turn(
        seconds={engine: one["total"] - one["start_up"] for engine, one in ledgers.items()},
        start_up={engine: one["start_up"] for engine, one in ledgers.items()},
        ledger=ledgers,
    )


def table(trials: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What must not depend on the engine."""
    columns = ("number", "state", "value", "params", "weights_sha256")
    return [tuple(trial[column] for column in columns) for trial in trials]


def summary(turns: Sequence[Turn]) -> str:
    """The medians in one line."""
    seconds = {engine: median(turn.seconds[engine] for turn in turns) for engine in ENGINES}
    return (
        f"{len(turns)} turns: local {seconds['local']:.1f} s, Ray {seconds['ray']:.1f} s; "
        f"ratio {median(turn.ratio for turn in turns):.3f} "
        f"({min(turn.ratio for turn in turns):.3f} to {max(turn.ratio for turn in turns):.3f})"
    )


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
