"""What the best trial's bits depend on, and where the seconds went."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pipeline.analysis.report.content import ReportContent
from pipeline.errors import counted
from pipeline.trial import Facts

PHASES: Final = {
    "training": "training",
    "validation": "validation",
    "data": "data",
    "sampling": "sampling",
    "stores": "Optuna and MLflow",
    "waiting": "waiting",
    "start_up": "start-up",
}
"""What the phases of the time ledger are called."""


class Part(NamedTuple):
    """A part of the wall time; ``percent`` of the whole."""

    name: str
    key: str
    seconds: str
    percent: float


class Fact(NamedTuple):
    """A line of what a training depends on."""

    name: str
    text: str


def time_parts(content: ReportContent) -> list[Part]:
    """Where the wall time went, in the order of the phases; none where it was not kept."""
    seconds = content.time.seconds
    total = seconds.get("total", 0.0)
    if total <= 0:
        return []
    return [
        Part(title, key.replace("_", "-"), f"{spent:,.1f}", 100 * spent / total)
        for key, title in PHASES.items()
        if (spent := seconds.get(key, 0.0)) > 0
    ]


def time_sentence(content: ReportContent) -> str:
    """The whole, and what the machinery took of it."""
    runs = content.time.runs
    if not runs:
        return "Where the seconds went was not kept by the version that ran this study."
    machinery = sum(content.time.machinery.values())
    workers = ", ".join(str(n) for n in sorted({run.n_workers for run in runs}))
    return (
        f"{content.time.seconds.get('total', 0.0):,.1f} seconds in {counted(len(runs), 'run')}, "
        f"workers: {workers}. The machinery took {machinery:,.1f} seconds, mostly beside the "
        "training. Runs that were killed are not counted."
    )


def facts(content: ReportContent) -> list[Fact]:
    """What the best trial's record says; none where there is no record."""
    if content.best is None or content.best.number not in content.records:
        return []
    record, record_sha256 = content.records[content.best.number]
    seeds = ", ".join(f"{purpose} {seed}" for purpose, seed in record.seeds.items())
    return [
        Fact("trial", str(record.trial.number)),
        Fact("seeds", f"study {record.trial.study_seed}; {seeds}"),
        Fact("record SHA-256", record_sha256),
        Fact("weights SHA-256", record.weights_sha256 or "none"),
        Fact("curves SHA-256", record.curves_sha256),
        *(_made_with(record.facts) if record.facts else ()),
    ]


def _made_with(made: Facts) -> Sequence[Fact]:
    commit = made.project_commit or "unknown"
    changed = ", with changes" if made.project_clean is False else ""
    return [
        Fact("data SHA-256", made.data_sha256),
        Fact("split SHA-256", made.split_sha256),
        Fact(
            "sources SHA-256", f"{_digest(made.sources)} over {counted(len(made.sources), 'file')}"
        ),
        Fact("version", f"{made.project_version}, commit {commit}{changed}"),
        Fact("Python", made.python),
        Fact("packages", ", ".join(f"{name} {one}" for name, one in made.packages.items())),
        Fact("processor", f"{made.processor}, {counted(made.threads, 'thread')}, {made.device}"),
        Fact("precision", made.precision),
    ]


def _digest(sources: Mapping[str, str]) -> str:
    """One digest over the digests of all sources."""
    return hashlib.sha256(json.dumps(dict(sources), sort_keys=True).encode()).hexdigest()
