"""Optuna lives here: the space, the samplers, the stopping rules, and the driver's loop."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.search.driver import Driver, Watch
    from pipeline.search.seconds import SecondsLedger
    from pipeline.search.settling import settle
    from pipeline.search.store import TrialStore, open_storage, study_names

__all__ = [
    "Driver",
    "SecondsLedger",
    "TrialStore",
    "Watch",
    "open_storage",
    "settle",
    "study_names",
]

_HOMES = {
    "Driver": "driver",
    "Watch": "driver",
    "SecondsLedger": "seconds",
    "settle": "settling",
    "TrialStore": "store",
    "open_storage": "store",
    "study_names": "store",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: a study is held before Optuna is imported."""
    from importlib import import_module

    if name not in _HOMES:
        message = f"module 'pipeline.search' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"pipeline.search.{_HOMES[name]}"), name)
