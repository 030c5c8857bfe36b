"""Optuna lives here: the space, the samplers, the stopping rules, and the driver's loop."""

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
