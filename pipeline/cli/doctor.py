"""The command that audits both ledgers, and what it shows."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import home_option, print_json, with_training_workspace
from pipeline.errors import visible

if TYPE_CHECKING:
    from pipeline.analysis import Finding
    from pipeline.app import Diagnosis, Workspace


@click.command()
@click.option("--fix", is_flag=True, help="Mend what is off; without it nothing is written.")
@with_training_workspace
def doctor(*, fix: bool, workspace: "Workspace", as_json: bool) -> None:
    """Hold both ledgers of every study against each other, and mend what is off."""
    from pipeline.app import examine
    from pipeline.cli.progress import Steps

    with Steps() as steps:
        diagnosis = examine(workspace, fix=fix, tell=steps.tell)
    if as_json:
        print_json(diagnosis.as_json())
    else:
        lines = diagnosis_lines(diagnosis, home=workspace.home, fix=fix)
        click.echo("\n".join(map(visible, lines)))
    if not diagnosis.is_healthy:
        sys.exit(1)


def diagnosis_lines(diagnosis: "Diagnosis", *, home: Path, fix: bool) -> list[str]:
    """Say of each study what is off and what was done about it, and what to type next.

    Args:
        diagnosis: What was found.
        home: Where it was looked.
        fix: Whether it was to be mended.
    """
    if not diagnosis.studies:
        return [f"no study in {home}: nothing can be off"]
    lines = [line for name in diagnosis.studies for line in _study_lines(diagnosis, name)]
    return [*lines, _last_line(diagnosis, home, fix=fix)]


def _study_lines(diagnosis: "Diagnosis", name: str) -> Iterator[str]:
    found = [finding for finding in diagnosis.findings if finding.study == name]
    off = _counted(len(found), "finding") if found else "healthy"
    is_run = " (being run: finished trials alone were looked at)" * (name in diagnosis.running)
    yield f"study {name}: {off}{is_run}"
    for finding in found:
        yield from _finding_lines(finding)


def _finding_lines(finding: "Finding") -> Iterator[str]:
    who = "study" if finding.trial is None else f"trial {finding.trial}"
    yield f"  {who}: {finding.kind.value}"
    yield f"    found: {finding.what}"
    if finding.how:
        yield f"    {'mended' if finding.is_fixed else 'not mended'}: {finding.how}"


def _last_line(diagnosis: "Diagnosis", home: Path, *, fix: bool) -> str:
    n_found = len(diagnosis.findings)
    n_fixed = sum(finding.is_fixed for finding in diagnosis.findings)
    if not n_found:
        return "healthy: the two ledgers agree"
    if diagnosis.is_healthy:
        return f"healthy: {_counted(n_found, 'finding')}, all mended"
    if not fix:
        again = f"pipeline doctor --fix{home_option(home)}"
        return f"{_counted(n_found, 'finding')}, nothing was changed; `{again}` mends what it can"
    return f"{_counted(n_found, 'finding')}, {n_fixed} mended, {n_found - n_fixed} left"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
