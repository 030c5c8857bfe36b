"""One worker on a Ray node: an actor that has a local engine of one process.

What kills that process, be it a trial that takes all memory, is met as on a single machine and
does not reach the actor. What the actor loses, it loses with its node.
"""

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import ray

import pipeline
from pipeline.engines.local import LocalEngine
from pipeline.engines.worker import resolve
from pipeline.trial import Cohort, Event

PACKAGES: Final = ("torch", "pytorch-lightning", "numpy", "dropout-search")
"""Nodes that have other versions of these would give another table."""
TICK_SECONDS: Final = 1.0


def installation() -> dict[str, str]:
    """What is installed here, by what it is: packages' versions, and a digest of the project."""
    versions = {name: _version(name) for name in PACKAGES}
    return versions | {"python": platform.python_version(), "project": _sources_sha256()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _sources_sha256() -> str:
    package = Path(pipeline.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Name what differs between two installations, with both versions.

    >>> differing({"torch": "2.13.0"}, {"torch": "2.11.0"})
    ['torch 2.11.0 instead of 2.13.0']
    """
    return [
        f"{name} {there.get(name, 'none')[:12]} instead of {version[:12]}"
        for name, version in here.items()
        if there.get(name) != version
    ]


def faults_of_node(here: Mapping[str, str], check: str | None, asked: Any) -> list[str]:
    """Name what the node that this is lacks.

    Args:
        here: What is installed on the driver's machine.
        check: ``module:function`` that names what is lacking beside; it may take imports.
        asked: Its argument.
    """
    faults = differing(here, installation())
    return faults if faults or check is None else [*resolve(check)(asked)]


class RayWorker:
    """What the driver calls by Ray.

    Args:
        fit: ``module:function`` of what a worker does with a cohort.
    """

    def __init__(self, fit: str) -> None:
        self._engine = LocalEngine(fit, n_workers=1)

    def node_id(self) -> str:
        """The node on which Ray has placed it."""
        return str(ray.get_runtime_context().get_node_id())

    def open(self, unpack: str, packed: Any) -> int:
        """Start the process, with what the study's trials are trained on, and wait for it.

        Args:
            unpack: ``module:function`` that makes the context of ``fit`` from what travelled.
            packed: What travelled; Ray brings it to a node once.

        Returns:
            The actor's process id.

        Raises:
            EndOfEngineError: It does not start.
        """
        self._engine.open(resolve(unpack)(packed))
        while not self._engine.worker_pids:
            self._engine.events(TICK_SECONDS)
        return os.getpid()

    def exchange(self, cohorts: Sequence[Cohort]) -> list[Event]:
        """Take cohorts, and wait for the next news."""
        for cohort in cohorts:
            self._engine.submit(cohort)
        events: Sequence[Event] = ()
        while not events:
            events = self._engine.events(TICK_SECONDS)
        return [*events]
