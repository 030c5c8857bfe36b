"""What a terminal shows of a plan."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.analysis.machine_faults import in_bytes
from pipeline.errors import counted, visible

if TYPE_CHECKING:
    from pipeline.app.planning.planned import Plan
    from pipeline.trial import Duration

MINUTE = 60
HOUR = 3_600
OF_PARTS = {
    "start_up_and_end": "start-up and end",
    "training": "training",
    "driver": "waiting for the search and the stores",
}


def plan_lines(plan: "Plan", place: str = "") -> list[str]:
    """Say what is wrong first, then how long the study takes and what of the machine it takes.

    Args:
        plan: What was found.
        place: Options with which the next command finds the same.
    """
    return [
        *_found_lines(plan),
        *_duration_lines(plan),
        *_machine_lines(plan),
        _last_line(plan, place),
    ]


def _found_lines(plan: "Plan") -> Iterator[str]:
    if plan.ok:
        yield f"study {plan.study}: no fault found"
    else:
        yield f"study {plan.study}: {counted(len(plan.faults), 'fault')}"
    for fault in plan.faults:
        yield f"  fault: {visible(str(fault))}."
    for warning in plan.warnings:
        yield f"  worth knowing: {visible(str(warning))}."


def _duration_lines(plan: "Plan") -> Iterator[str]:
    duration = plan.duration
    if duration is None:
        yield "time: not known, since no model could be trained"
        return
    yield f"time: {_span(duration)} with {counted(plan.machine.n_workers, 'worker')}"
    parts = [f"{OF_PARTS[name]} {_seconds(spent)}" for name, spent in duration.parts.items()]
    low, high = duration.epochs
    yield f"  about: {', '.join(parts)}"
    yield f"  from {counted(len(plan.speeds), 'model')} measured, and {low:,} to {high:,} epochs"


def _span(duration: "Duration") -> str:
    return f"{_seconds(duration.low)} to {_seconds(duration.high)}"


def _seconds(seconds: float) -> str:
    """A time for people.

    >>> _seconds(12.3), _seconds(700), _seconds(9_000)
    ('12 s', '12 min', '2.5 h')
    """
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"


def _machine_lines(plan: "Plan") -> Iterator[str]:
    if plan.needs is None:
        return
    machine, needs = plan.machine, plan.needs
    total = in_bytes(machine.n_workers * needs.worker_memory)
    yield f"memory: {total} of {in_bytes(machine.free_memory)} that are free ({machine.device})"
    yield f"disk: {in_bytes(needs.disk)} of {in_bytes(machine.free_disk)} that are free"


def _last_line(plan: "Plan", place: str) -> str:
    again = "" if plan.ok else ", once the faults are mended"
    return f"next: pipeline run {shlex.quote(plan.file)}{place}{again}"
