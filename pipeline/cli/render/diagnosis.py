"""What a terminal shows of an audit."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import counted

if TYPE_CHECKING:
    from pipeline.analysis import Finding
    from pipeline.app.doctor import Diagnosis


def diagnosis_lines(diagnosis: "Diagnosis", *, home: Path, place: str = "", fix: bool) -> list[str]:
    """Say of each study what is off and what was done about it, and what to type next.

    Args:
        diagnosis: What was found.
        home: Where it was looked.
        place: Options with which the next command finds the same.
        fix: Whether it was asked to fix.
    """
    if not diagnosis.studies:
        return [f"no study in {home}: nothing can be off"]
    lines = [line for name in diagnosis.studies for line in _study_lines(diagnosis, name)]
    return [*lines, _last_line(diagnosis, place, fix=fix)]


def _study_lines(diagnosis: "Diagnosis", name: str) -> Iterator[str]:
    found = [finding for finding in diagnosis.findings if finding.study == name]
    off = counted(len(found), "finding") if found else "healthy"
    is_run = " (being run: finished trials alone were looked at)" * (name in diagnosis.running)
    yield f"study {name}: {off}{is_run}"
    for finding in found:
        yield from _finding_lines(finding)


def _finding_lines(finding: "Finding") -> Iterator[str]:
    who = "study" if finding.trial is None else f"trial {finding.trial}"
    yield f"  {who}: {finding.kind.value}"
    yield f"    found: {finding.what}"
    if finding.how:
        yield f"    {'fixed' if finding.is_fixed else 'not fixed'}: {finding.how}"


def _last_line(diagnosis: "Diagnosis", place: str, *, fix: bool) -> str:
    n_found = len(diagnosis.findings)
    n_fixed = sum(finding.is_fixed for finding in diagnosis.findings)
    if not n_found:
        return "healthy: the two ledgers agree"
    if diagnosis.is_healthy:
        return f"healthy: {counted(n_found, 'finding')}, all fixed"
    if not fix:
        again = f"pipeline doctor --fix{place}"
        return f"{counted(n_found, 'finding')}, nothing was changed; `{again}` fixes what it can"
    return f"{counted(n_found, 'finding')}, {n_fixed} fixed, {n_found - n_fixed} left"
