"""What a lone trial costs beside a bare loop: processor seconds in one process, in turn."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import torch

from benchmarks.case import DATA
from benchmarks.machine import describe_run
from benchmarks.peers import bare
from benchmarks.rows import Rows, write_rows
from benchmarks.settings import Setting

if TYPE_CHECKING:
    from pipeline.learning.data import PreparedData

SETTINGS: Final = {
    "2x128": Setting(depth=2, width=128, dropouts=(0.3,) * 2, learning_rate=1e-3),
    "3x256": Setting(depth=3, width=256, dropouts=(0.3,) * 3, learning_rate=1e-3),
    "2x128, input dropout": Setting(
        depth=2, width=128, dropouts=(0.3,) * 2, learning_rate=1e-3, input_dropout=0.2
    ),
    "3x256, input dropout": Setting(
        depth=3, width=256, dropouts=(0.3,) * 3, learning_rate=1e-3, input_dropout=0.2
    ),
}


def fit_ours(
    setting: Setting, prepared: "PreparedData", section: Mapping[str, Any], epochs: int
) -> float:
    """Train a setting as a worker of this project does, and give its lowest validation loss."""
    from pipeline.config import TrialConfig
    from pipeline.learning.cohort.fit import fit_cohort
    from pipeline.trial import Assignment, Cohort

    config = TrialConfig.model_validate(
        {
            "study": "lone",
            "number": 0,
            "study_seed": 0,
            "data": section,
            "model": {"name": "mlp"},
            "training": {"epochs": epochs, "device": "cpu"},
            "params": setting.params,
        }
    )
    assignment = Assignment(config=config, epochs=epochs)
    (outcome,) = fit_cohort(Cohort((assignment,)), prepared, lambda _: None)
    assert outcome.value is not None, outcome.cause
    return outcome.value


def fit_bare(setting: Setting, parts: Mapping[str, bare.Part], epochs: int) -> float:
    """Train a setting by the bare loop, and give its lowest validation loss."""
    curve, _ = bare.train(setting, parts, epochs=epochs)
    return min(scores.val_loss for scores in curve)


def processor_seconds(train: Callable[[], float]) -> tuple[float, float]:
    """Time a training on the processor's clock; give its value as well."""
    torch.set_flush_denormal(False)  # each sets it as it likes
    started = time.process_time()
    value = train()
    return time.process_time() - started, value


def compare(
    ours: Callable[[], float], theirs: Callable[[], float], *, repeat: int
) -> dict[str, Any]:
    """Train by both in turn and compare the medians."""
    turns = [(processor_seconds(ours), processor_seconds(theirs)) for _ in range(repeat)]
    seconds = {"ours": [turn[0][0] for turn in turns], "bare": [turn[1][0] for turn in turns]}
    return {
        "ratio": median(seconds["ours"]) / median(seconds["bare"]),
        "seconds": seconds,
        "values": {"ours": turns[0][0][1], "bare": turns[0][1][1]},
    }


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lone", description=__doc__)
    add = parser.add_argument
    add("--data", choices=DATA, default="fashion-mnist")
    add("--epochs", type=int, nargs="+", default=[1, 4], metavar="N")
    add("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    add("--repeat", type=int, default=5, metavar="N")
    add("--data-dir", type=Path, help="folder of data sets in torchvision's layout")
    add("--out", type=Path, default=Path(__file__).with_name("lone.json"))
    return parser


def main(words: Sequence[str]) -> None:
    """Compare every setting for every number of epochs."""
    options = parser().parse_args(words)
    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="bench-") as folder:
        rows = compare_all(options, Path(folder))
    document = describe_run("benchmarks.lone", words) | {"rows": rows}
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def compare_all(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Compare, and print a line for each pair."""
    from pipeline.config import DataConfig
    from pipeline.learning.data import locate, prepare

    section = DATA[options.data].section
    write_rows(folder, data=section, data_dir=options.data_dir, seed=0)
    parts = bare.resident(Rows.read(folder))
    config = DataConfig.model_validate(section)
    prepared = prepare(locate(config, options.data_dir, cache=folder), cache=folder)
    fit_ours(SETTINGS["2x128"], prepared, section, 1)  # the first imports and opens much
    rows = []
    for name in options.settings:
        for epochs in options.epochs:
            row = compare(
                partial(fit_ours, SETTINGS[name], prepared, section, epochs),
                partial(fit_bare, SETTINGS[name], parts, epochs),
                repeat=options.repeat,
            )
            rows.append({"setting": name, "epochs": epochs, **row})
            print(line_of(rows[-1]), flush=True)
    return rows


def line_of(row: Mapping[str, Any]) -> str:
    """One comparison in a line."""
    ours, theirs = median(row["seconds"]["ours"]), median(row["seconds"]["bare"])
    return (
        f"{row['setting']}, {row['epochs']} epochs: ours {ours:.2f} s, bare {theirs:.2f} s, "
        f"ratio {row['ratio']:.3f}; val_loss {row['values']['ours']:.4f} and "
        f"{row['values']['bare']:.4f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
