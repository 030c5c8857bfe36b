"""Seconds until the value that (a) reaches with 60 trials, on mnist-5k, median of five seeds.

(a) searches by Optuna's TPE, one trial after the other; this project searches the same space by
its own command. Where its trials do not reach the value it goes on with more, and the time counts.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.case import DATA
from benchmarks.machine import describe_run
from benchmarks.race import Goal, Race, reach, set_goal, study_of


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.target", description=__doc__)
    add = parser.add_argument
    add("--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1")
    add("--data", choices=DATA, default="mnist-5k")
    add("--trials", type=int, default=60, metavar="N", help="of (a), and of ours at first")
    add("--epochs", type=int, default=10, metavar="N")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="of our study file")
    add("--max-cohort", metavar="N", help="passed on to our command")
    add("--data-dir", type=Path, help="folder of data sets in torchvision's layout")
    add("--reuse", action="store_true", help="take the goals from the file of the last run")
    add("--out", type=Path, default=Path(__file__).with_name("target.json"))
    return parser


def main(words: Sequence[str]) -> int:
    """Run the race for each seed; 1 where the goal was not reached."""
    options = parser().parse_args(words)
    goals = known_goals(options.out) if options.reuse else {}
    races = []
    for seed in range(options.seeds):
        races.append(race(seed, options, goals.get(seed)))
        print(line_of(races[-1]), flush=True)
    print(summary(races))
    document = describe_run("benchmarks.target", words) | {"races": [asdict(one) for one in races]}
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(any(race.ours.seconds is None for race in races))


def race(seed: int, options: argparse.Namespace, goal: Goal | None) -> Race:
    """Let (a) set the goal, unless it is known, and this project reach it."""
    sizes = {"trials": options.trials, "epochs": options.epochs}
    if goal is None:
        goal = set_goal(seed, data=options.data, data_dir=options.data_dir, **sizes)
    passed = [word for pair in options.set for word in ("--set", pair)]
    passed += ["--max-cohort", options.max_cohort] if options.max_cohort else []
    passed += ["--data-dir", str(options.data_dir)] if options.data_dir else []
    study = study_of(options.data, seed=seed, **sizes)
    return Race(seed=seed, goal=goal, ours=reach(goal, study, passed))


def known_goals(path: Path) -> dict[int, Goal]:
    """Read what (a) reached in an earlier run, by seed."""
    races = json.loads(path.read_text(encoding="utf-8"))["races"]
    return {race["seed"]: Goal(**race["goal"]) for race in races}


def line_of(race: Race) -> str:
    """One seed in a line."""
    goal, ours = race.goal, race.ours
    reached = "not reached" if ours.seconds is None else f"{ours.seconds:.1f} s"
    return (
        f"seed {race.seed}: (a) {goal.value:.4f} in {goal.seconds:.1f} s, first reached after "
        f"{goal.first_seconds:.1f} s, start-up {goal.start_up:.1f} s; ours {ours.value:.4f}, "
        f"{reached}, start-up {ours.start_up:.1f} s, {ours.n_trials} trials; "
        f"{race.ratio:.1f} times as fast"
    )


def summary(races: Sequence[Race]) -> str:
    """The medians over the seeds."""
    return (
        f"median of {len(races)} seeds: {median(race.ratio for race in races):.1f} times as fast, "
        f"{median(race.ratio_with_start_up for race in races):.1f} with start-up, "
        f"{median(race.ratio_to_first for race in races):.1f} against (a)'s best trial's end"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
