"""Train the same settings by every peer, side by side in one run.

Prints trials an hour, their ratio to (a) and to (d), the best value, and start-up apart; writes
results.json, from which `--update-readme` makes the README's table.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.case import DATA, Case, Measured, write_task
from benchmarks.machine import describe_run
from benchmarks.peer import PEERS, PeerFailedError, run_peer
from benchmarks.report import Report, screen_lines, with_table
from benchmarks.settings import LISTS

ROOT = Path(__file__).parents[1]


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--data", nargs="+", choices=DATA, default=["fashion-mnist", "mnist-5k"])
    add("--lists", nargs="+", choices=LISTS, default=list(LISTS))
    add("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    add("--repeat", type=int, default=1, metavar="N", help="take the median of N runs of each")
    add("--epochs", type=int, metavar="N", help="instead of the data set's usual number")
    add("--trials", type=int, metavar="N", help="only the first N settings of each list")
    add("--data-dir", type=Path, help="folder of data sets in torchvision's layout")
    add("--out", type=Path, default=ROOT / "benchmarks/results.json")
    add("--update-readme", action="store_true", help="train nothing; write the README's table")
    return parser


def main(words: Sequence[str]) -> int:
    """Run the benchmark, or update the README; 1 where a peer failed or trained something else."""
    options = parser().parse_args(words)
    if options.update_readme:
        update_readme(ROOT / "README.md", Report.read(options.out))
        return 0
    with TemporaryDirectory(prefix="bench-") as folder:
        cases = run_cases(options, Path(folder))
    Report(cases=cases, **describe_run("benchmarks", words)).write(options.out)
    for case in cases:
        print("\n".join(screen_lines(case)))
    return int(not all(case.is_sound for case in cases))


def update_readme(readme: Path, report: Report) -> None:
    """Replace the README's table."""
    text = with_table(readme.read_text(encoding="utf-8"), report.as_markdown())
    readme.write_text(text, encoding="utf-8")


def run_cases(options: argparse.Namespace, folder: Path) -> list[Case]:
    """Run every peer on every case, and all of that again for each repetition."""
    works = {
        folder / f"{data}-{name}": (data, name) for data in options.data for name in options.lists
    }
    cases = {
        work: write_task(
            work,
            data=data,
            list_name=list_name,
            epochs=options.epochs,
            n_trials=options.trials,
            data_dir=options.data_dir,
        )
        for work, (data, list_name) in works.items()
    }
    for _ in range(options.repeat):
        for work, case in cases.items():
            for name in options.peers:
                run_one(name, work, case)
    return list(cases.values())


def run_one(name: str, work: Path, case: Case) -> None:
    """Run a peer once more, unless it cannot run or has failed before."""
    peer = PEERS[name]
    if peer.missing:
        case.missing[name] = peer.missing
    if name in (*case.missing, *case.failed):
        return
    try:
        result = run_peer(peer, work)
    except PeerFailedError as error:
        case.failed[name] = str(error)
        return
    case.peers[name] = (
        Measured.of(result) if name not in case.peers else case.peers[name].again(result)
    )
    print(f"{case.title}: {peer.label}: {result.seconds:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
