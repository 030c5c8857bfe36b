"""The report of a run: to JSON and back, to the screen, to the README."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

from benchmarks.case import Case, Measured
from benchmarks.peer import BARE, DOCUMENTED, PEERS

BEGIN: Final = "<!-- bench -->"
END: Final = "<!-- /bench -->"
ABSENT: Final = "-"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All cases of a run, and where and how it was run."""

    date: str
    command: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str | None]
    cases: Sequence[Case]

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what ``write`` wrote."""
        document = json.loads(path.read_text(encoding="utf-8"))
        cases = [_case(entry) for entry in document.pop("cases")]
        return cls(cases=cases, **document)

    def as_markdown(self) -> str:
        """The README's table: a row a peer, a column a case, trials an hour and their ratios."""
        peers = [name for name in PEERS if any(name in case.peers for case in self.cases)]
        head = ["trials an hour", *(case.title for case in self.cases), "start-up, seconds"]
        lines = [head, ["---", *["--:"] * (len(head) - 1)]]
        for name in peers:
            cells = [_cell(case, name) for case in self.cases]
            lines.append([PEERS[name].label, *cells, _start_up(self.cases, name)])
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{table}\n\n{self._footnote()}"

    def _footnote(self) -> str:
        flags = f" ({', '.join(self.machine['flags'])})" if self.machine["flags"] else ""
        return (
            f"In brackets: how many times (a) and (d). {self.machine['cores']} cores{flags}, "
            f"Python {self.versions['python']}, torch {self.versions['torch']}, {self.date}; "
            f"`{self.command}`."
        )


def screen_lines(case: Case) -> Iterator[str]:
    """A case as a table for the screen."""
    yield f"\n{case.title}"
    yield (
        f"{'':32} {'trials/h':>9} {'x (a)':>6} {'x (d)':>6} "
        f"{'best':>7} {'start-up':>9} {'differs':>8}"
    )
    for name, measured in case.peers.items():
        ratios = [_times(case.ratio(name, to)) for to in (DOCUMENTED, BARE)]
        yield (
            f"{PEERS[name].label:32} {measured.trials_an_hour:9,.0f} "
            f"{ratios[0]:>6} {ratios[1]:>6} {min(measured.values):7.4f} "
            f"{median(measured.start_up):7.1f} s {case.difference(name):8.1%}"
        )
    for name, reason in case.missing.items():
        yield f"{PEERS[name].label:32} left out: {reason}"
    for name, reason in case.failed.items():
        yield f"{PEERS[name].label:32} failed: {reason}"
    for name in case.strangers:
        yield f"{PEERS[name].label:32} trains something else: its values differ too much"


def with_table(readme: str, table: str) -> str:
    """Put a table between the README's two markers.

    Raises:
        ValueError: The text has not both markers, once each and in order.
    """
    before, *rest = readme.split(BEGIN)
    if len(rest) != 1 or rest[0].count(END) != 1:
        message = f"expected {BEGIN} and, after it, {END}, once each"
        raise ValueError(message)
    after = rest[0].partition(END)[2]
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def _case(entry: dict[str, Any]) -> Case:
    peers = {name: Measured(**measured) for name, measured in entry.pop("peers").items()}
    return Case(peers=peers, **entry)


def _cell(case: Case, name: str) -> str:
    if name not in case.peers:
        return ABSENT
    ratios = (_times(case.ratio(name, to)) for to in (DOCUMENTED, BARE))
    return f"{case.peers[name].trials_an_hour:,.0f} ({', '.join(ratios)})"


def _start_up(cases: Sequence[Case], name: str) -> str:
    seconds = [one for case in cases if name in case.peers for one in case.peers[name].start_up]
    return f"{median(seconds):.1f}"


def _times(ratio: float | None) -> str:
    return ABSENT if ratio is None else f"{ratio:.2f}"
