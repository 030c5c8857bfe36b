"""What the live studies say: each policy's choices, and paired differences by seed.

Read are the files that ``live`` and ``yardstick`` wrote; printed is Markdown.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

from benchmarks.search import plan
from benchmarks.search.live import FILE as STUDIES
from benchmarks.search.paired import Difference, compare_common
from benchmarks.search.studies import (
    Study,
    StudyKey,
    choose,
    read_studies,
    with_choices_by_mean,
)
from benchmarks.search.yardstick import FILE as SCORES
from benchmarks.search.yardstick import Scores, SettingKey, read_scores

ABSENT = "-"
Table = Sequence[Sequence[str]]
"""Rows of cells; the first row is the head."""
BySeed = Mapping[int, float]


def scores_of(
    studies: Iterable[Study], scores: Scores, *, policy: str, budget: int
) -> dict[int, float]:
    """The yardstick's score of what a policy's studies of one space chose, by seed."""
    found = {}
    for study in studies:
        if study.policy != policy or study.budget < budget:
            continue
        params = choose(study, budget)
        if params is None:
            continue
        score = scores.get(SettingKey.of(study.space, study.seed, params))
        if score is not None:
            found[study.seed] = score
    return found


def means(studies: Sequence[Study], scores: Scores, budgets: Sequence[int]) -> Table:
    """The mean score of each policy after each number of epochs, and of how many seeds."""
    rows = [["policy", *(f"{budget} epochs" for budget in budgets)]]
    for policy in policies_of(studies):
        found = [scores_of(studies, scores, policy=policy, budget=budget) for budget in budgets]
        rows.append([policy, *(_mean(by_seed) for by_seed in found)])
    return rows


def _mean(by_seed: BySeed) -> str:
    return f"{fmean(by_seed.values()):.4f} ({len(by_seed)})" if by_seed else ABSENT


def differences(
    studies: Sequence[Study], scores: Scores, budgets: Sequence[int], *, reference: str
) -> Table:
    """How each other policy differs from a reference after each number of epochs."""
    rows = [[f"minus {reference}", *(f"{budget} epochs" for budget in budgets)]]
    known = {
        budget: scores_of(studies, scores, policy=reference, budget=budget) for budget in budgets
    }
    for policy in policies_of(studies):
        if policy == reference:
            continue
        cells = []
        for budget in budgets:
            theirs = scores_of(studies, scores, policy=policy, budget=budget)
            cells.append(cell_of(*compare_common(theirs, known[budget])))
        rows.append([policy, *cells])
    return rows


def cell_of(difference: Difference | None, n_left_out: int) -> str:
    """A difference in a cell: mean, interval, and both tests' p."""
    if difference is None:
        return ABSENT
    left_out = f", {n_left_out} left out" if n_left_out else ""
    return (
        f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}], "
        f"p {difference.p_t:.3f} / {difference.p_wilcoxon:.3f}{left_out}"
    )


def habits(studies: Sequence[Study], budget: int) -> Table:
    """What a policy's studies are like: trials, how many are complete, where the best one is."""
    head = ["policy", "trials", "complete", "number of the choice, by seed", "seconds sampling"]
    rows = [head]
    for policy in policies_of(studies):
        of_policy = sorted((one for one in studies if one.policy == policy), key=_seed)
        within = [study.within(budget) for study in of_policy]
        numbers = [str(number) for number in map(chosen_number, of_policy, [budget] * len(within))]
        sampling = [study.seconds.get("sampling", 0.0) for study in of_policy]
        rows.append(
            [
                policy,
                f"{median(map(len, within)):.0f}",
                f"{median(sum(one.is_complete for one in trials) for trials in within):.0f}",
                ", ".join(numbers),
                f"{median(sampling):.2f}",
            ]
        )
    return rows


def chosen_number(study: Study, budget: int) -> int | None:
    """The number of the trial that a study would choose; ``None`` where it is none of them."""
    params = choose(study, budget)
    numbers = (number for number, one in enumerate(study.trials) if one.params == params)
    return next(numbers, None)


def policies_of(studies: Iterable[Study]) -> list[str]:
    """The policies that there are, this project's first, then the plan's order."""
    known = (plan.OURS, plan.BY_MEAN, *plan.PEERS)
    there = {study.policy for study in studies}
    return [name for name in known if name in there] + sorted(there - set(known))


def _seed(study: Study) -> int:
    return study.seed


def markdown(rows: Table) -> str:
    """A table as Markdown."""
    lines = [rows[0], ["---", *["--:"] * (len(rows[0]) - 1)], *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def screen(rows: Table) -> str:
    """A table in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in rows
    )


def sections(
    studies: Mapping[StudyKey, Study], scores: Scores, budgets: Sequence[int]
) -> Iterator[tuple[str, Table]]:
    """Every table with its title, space by space."""
    for space in plan.SPACES:
        read = [study for study in studies.values() if study.space == space]
        here = with_choices_by_mean(read, budgets)
        if not here:
            continue
        yield (
            f"{space}: validation loss of the choice on new seeds and rows",
            means(here, scores, budgets),
        )
        for reference in (plan.OURS, plan.BY_MEAN, "random"):
            if reference in policies_of(here):
                yield (
                    f"{space}: paired by seed, mean [95 %], p of t-test / Wilcoxon",
                    differences(here, scores, budgets, reference=reference),
                )
        yield f"{space}: studies at {max(budgets)} epochs", habits(here, max(budgets))


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.report", description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="FOLDER", help="with studies and scores")
    add("--budgets", nargs="+", type=int, default=list(plan.BUDGETS), metavar="EPOCHS")
    add("--markdown", action="store_true", help="print Markdown")
    return parser


def main(words: Sequence[str]) -> int:
    """Print every table."""
    options = parser().parse_args(words)
    studies = read_studies(options.out / STUDIES)
    scores = read_scores(options.out / SCORES)
    form: Callable[[Table], str] = markdown if options.markdown else screen
    for title, rows in sections(studies, scores, options.budgets):
        print(f"\n{title}\n\n{form(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
