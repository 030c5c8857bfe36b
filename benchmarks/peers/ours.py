"""(e) This project by its own command: a study file whose fixed trials are the settings."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from benchmarks.settings import DROPOUT, LEARNING_RATE, Setting
from benchmarks.task import Result, Task

NAME: Final = "benchmark"
FORMS: Final[dict[str, tuple[dict[str, Any], list[str]]]] = {
    "alone": ({}, ["--max-cohort", "1"]),
    "fused": ({}, []),
    "bf16": ({"precision": "bf16-mixed"}, []),
    "ray": ({}, ["--engine", "ray", "--ray-address", "local"]),
}
"""What each form adds to the study's training section and to the command."""
UNASKED: Final = ["--no-models"]
"""At its end a study registers its best network, which no peer does."""


def study_of(task: Task, training: Mapping[str, Any]) -> dict[str, Any]:
    """Write the study whose fixed trials are the task's settings."""
    n_trials = len(task.settings)
    return {
        "name": NAME,
        "data": dict(task.data),
        "model": {"name": "mlp"},
        "space": space_of(task.settings),
        "training": {"epochs": task.epochs, "device": "cpu", **training},
        "search": {"trials": n_trials, "sampler": "random", "stopping": "none"}
        | {"seed": task.seed, "block": 16},
        "trials": [setting.params for setting in task.settings],
    }


def space_of(settings: Sequence[Setting]) -> dict[str, Any]:
    """Write the smallest space with ranges in which the settings lie."""
    choices = {
        name: {"choices": sorted({setting.params[name] for setting in settings})}
        for name in ("width", "input_dropout", "batch_size", "weight_decay")
    }
    depths = [setting.depth for setting in settings]
    low, high = LEARNING_RATE
    return choices | {
        "depth": {"low": min(depths), "high": max(depths)},
        "dropout": {"low": DROPOUT[0], "high": DROPOUT[1], "per_layer": True},
        "learning_rate": {"low": low, "high": high, "log": True},
    }


def pipeline(command: str, *words: str | Path, home: Path) -> dict[str, Any]:
    """Run a command of this project and read what it prints."""
    line = [sys.executable, "-m", "pipeline", command, *map(str, words)]
    done = subprocess.run(
        [*line, "--home", str(home), "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def train_all(task: Task, work: Path, form: str) -> Result:
    """Run the study and read its values from its table."""
    training, options = FORMS[form]
    options = [*UNASKED, *options]
    if task.data_dir is not None:
        options = [*options, "--data-dir", task.data_dir]
    with TemporaryDirectory(dir=work) as scratch:
        home, file = Path(scratch), Path(scratch, "study.yaml")
        file.write_text(yaml.safe_dump(study_of(task, training)), encoding="utf-8")
        seconds = pipeline("run", file, *options, home=home)["seconds"]
        trials = pipeline("show", NAME, home=home)["trials"]
    assert all(trial["state"] == "COMPLETE" for trial in trials), trials
    return Result(
        seconds=seconds["total"] - seconds["start_up"],
        start_up=seconds["start_up"],
        values=[trial["value"] for trial in trials],
    )


def main() -> None:
    """Be a peer's process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("--work", type=Path, required=True, help="folder of the task")
    parser.add_argument("--started", help="not used: the command tells its start-up itself")
    options = parser.parse_args()
    print(train_all(Task.read(options.work), options.work, options.form).as_line(), flush=True)


if __name__ == "__main__":
    main()
