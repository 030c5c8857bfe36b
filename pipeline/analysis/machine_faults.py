"""Faults of a study that a machine shows: too little of it, or too much asked of it."""

from collections.abc import Iterator
from typing import Final

from pipeline.config import StudyConfig
from pipeline.errors import counted
from pipeline.trial import Duration, Fault, Machine, Needs

GIB: Final = 2**30
MIB: Final = 2**20
GAIN: Final = 1.15
"""Below this bf16-mixed saves less than measuring varies."""


def find_machine_faults(study: StudyConfig, machine: Machine, needs: Needs | None) -> list[Fault]:
    """Find what a machine lacks for a study.

    Args:
        study: The study.
        machine: What there is.
        needs: What the study takes; ``None`` where nobody knows.
    """
    found = [*_workers(study, machine)]
    if needs is not None:
        found += [*_memory(machine, needs), *_disk(machine, needs)]
    return found


def find_duration_faults(study: StudyConfig, duration: Duration) -> list[Fault]:
    """Find a limit of time that leaves a study undone."""
    limit = study.search.max_seconds
    if limit is None or limit >= duration.low:
        return []
    what = (
        f"got {limit:g}, expected about {duration.high:.0f}: the study would end undone; "
        "the same command then goes on with it"
    )
    return [Fault("search.max_seconds", what, is_warning=True)]


def find_precision_faults(study: StudyConfig, gain: float) -> list[Fault]:
    """Say whether bf16-mixed pays.

    Args:
        study: Its precision.
        gain: The seconds of a step in 32-true, divided by those in bf16-mixed.
    """
    is_mixed = study.training.precision == "bf16-mixed"
    if is_mixed and gain < 1:
        what = f"got bf16-mixed, which is {1 / gain:.2f} times as slow here as 32-true (a step of "
        what += "the largest model, measured); use 32-true"
    elif not is_mixed and gain >= GAIN:
        what = f"bf16-mixed would be {gain:.2f} times as fast here (a step of the largest model, "
        what += "measured), with products of 8 bits' precision"
    else:
        return []
    return [Fault("training.precision", what, is_warning=True)]


def _workers(study: StudyConfig, machine: Machine) -> Iterator[Fault]:
    threads, n_cores, n_workers = study.training.threads, machine.n_cores, machine.n_workers
    if machine.device != "cpu":
        return
    cores = counted(n_cores, "core")
    if n_workers > n_cores:
        what = f"got {n_workers}, expected at most {n_cores}: this machine has {cores} for them"
        yield Fault("--workers", f"{what}, and more only wait for each other")
    elif n_workers * threads > n_cores:
        what = f"got {threads}, expected at most {max(n_cores // n_workers, 1)}: with "
        what += f"{counted(n_workers, 'worker')} they are more than the {cores} of this machine"
        yield Fault("training.threads", what)


def _memory(machine: Machine, needs: Needs) -> Iterator[Fault]:
    total = machine.n_workers * needs.worker_memory
    if total <= machine.free_memory:
        return
    n_fit = machine.free_memory // needs.worker_memory
    cure = f"use --workers {n_fit}" if n_fit else "use smaller models or batches"
    what = (
        f"got {counted(machine.n_workers, 'worker')} of {in_bytes(needs.worker_memory)}, expected "
        f"together at most the {in_bytes(machine.free_memory)} of memory that are free; {cure}"
    )
    yield Fault("--workers" if n_fit else "space", what)


def _disk(machine: Machine, needs: Needs) -> Iterator[Fault]:
    if needs.disk > machine.free_disk:
        what = f"got {in_bytes(machine.free_disk)} of free disk, expected {in_bytes(needs.disk)}"
        yield Fault("--home", f"{what} for weights and both ledgers; use another --home")


def in_bytes(n_bytes: float) -> str:
    """A size for people.

    >>> in_bytes(3 * GIB), in_bytes(5.2 * MIB)
    ('3 GiB', '5.2 MiB')
    """
    unit, name = (GIB, "GiB") if n_bytes >= GIB else (MIB, "MiB")
    return f"{n_bytes / unit:.3g} {name}"
