"""What a terminal shows of bundles, and of what differs between studies."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.cli.render.table import params_text
from pipeline.errors import counted

if TYPE_CHECKING:
    from pipeline.analysis.study_difference import Difference, StudyDifference
    from pipeline.app.bundles.bundle import Bundle
    from pipeline.app.bundles.import_study import Imported

MOST_OF_A_PART = 12
"""More differences of one part are counted, not shown: a later version has a hundred sources."""
LONGEST = 60
DIGEST_LENGTH, DIGEST_SHOWN = 64, 12


def difference_lines(found: "StudyDifference") -> list[str]:
    """Say what differs, by what it is of, or that nothing does."""
    a, b = found.names
    if not found.differences:
        return [f"{a} and {b}: nothing differs"]
    parts = dict.fromkeys(one.part for one in found.differences)
    lines = [line for part in parts for line in _part_lines(found, part)]
    return [f"{a} → {b}: {counted(len(found.differences), 'difference')}", *lines]


def _part_lines(found: "StudyDifference", part: str) -> Iterator[str]:
    mine = [one for one in found.differences if one.part == part]
    yield f"{part}:"
    yield from (f"  {_line(one)}" for one in mine[:MOST_OF_A_PART])
    if more := mine[MOST_OF_A_PART:]:
        yield f"  and {len(more)} more, with --json"


def _line(one: "Difference") -> str:
    return f"{one.where}: {_text(one.a)} → {_text(one.b)}"


def _text(value: Any) -> str:
    """A value on one line; of a digest what an eye compares."""
    if isinstance(value, dict):
        value = params_text(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        value = " to ".join(map(_text, value))
    text = "none" if value is None else str(value)
    if len(text) == DIGEST_LENGTH and text.isalnum():
        return f"{text[:DIGEST_SHOWN]}…"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def bundle_lines(bundle: "Bundle") -> list[str]:
    """Say what a bundle holds, and where it is."""
    counts = bundle.counts
    held = [
        counted(counts["trials"], "trial"),
        *[counted(counts["confirmations"], "confirmation")] * bool(counts["confirmations"]),
        f"weights of {counted(counts['weights'], 'training')}",
    ]
    return [
        f"bundle of {bundle.study}: {', '.join(held)}, {bundle.size / 1e6:.1f} MB",
        f"  SHA-256: {bundle.sha256}",
        *(f"warning: {one}" for one in bundle.warnings),
        f"bundle: {bundle.path}",
    ]


def imported_lines(imported: "Imported", place: str = "") -> list[str]:
    """Say what was imported and what to type next.

    Args:
        imported: What was imported.
        place: Options with which the next commands find the study.
    """
    counts = ", ".join(f"{number} {state}" for state, number in imported.counts.items() if number)
    name = imported.study
    if imported.was_there:
        return [f"study {name} is there already, the same ({counts}); nothing was written"]
    return [
        f"study {name}: {counts or 'no trial'}",
        *(
            f"  {one} is code of somebody's: to train again, --trust-code"
            for one in imported.classes
        ),
        "next:",
        f"  pipeline show {name}{place}",
        f"  pipeline reproduce {name} --trial best{place}",
        f"  pipeline report {name}{place}",
    ]
