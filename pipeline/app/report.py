"""Write a study's report: one HTML file that opens offline, also beside the study in MLflow."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.app.browse import open_study
from pipeline.app.output_file import check_writable, replacing
from pipeline.app.repair import read_stored_study
from pipeline.app.workspace import Workspace
from pipeline.config import Params, StudyConfig
from pipeline.trial import Curve, Effect, Tell, TrialRow, ignore

if TYPE_CHECKING:
    from pipeline.analysis.gap import Gap
    from pipeline.analysis.report import ReportContent
    from pipeline.search.storage.store import TrialStore

FOLDER: Final = "reports"
"""Of the home, where reports are written unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A study's report as it was written.

    Attributes:
        path: The HTML file.
        run_id: The study run, whose artifact ``report.html`` it is too.
        answer: What each parameter does, in words and numbers, as JSON holds it.
        faults: What could not be read, and is not in the report.
        next_steps: What to do next, a sentence each.
    """

    study: str
    path: Path
    run_id: str
    answer: Mapping[str, Any]
    faults: Sequence[str]
    next_steps: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The report as ``report --json`` prints it."""
        return {
            "study": self.study,
            "path": str(self.path),
            "run_id": self.run_id,
            "answer": dict(self.answer),
            "next": list(self.next_steps),
            "faults": list(self.faults),
        }


def write_report(
    workspace: Workspace, study: str, *, out: Path | None = None, tell: Tell = ignore
) -> Report:
    """Write a study's report, in place of an older one.

    Args:
        workspace: Where the study lives.
        study: Its name.
        out: The HTML file; by default ``HOME/reports/STUDY.html``.
        tell: Called with what is being done.

    Raises:
        BadInputError: There is no such study, or the file cannot be written there.
        WorkFailedError: A store does not answer or cannot be written to.
    """
    from pipeline.analysis.report import draw_pictures, render_page
    from pipeline.analysis.report.next_steps import next_steps
    from pipeline.tracking.report import write_report as log_report

    workspace.check_has_studies(study)
    workspace.check_home(to_write=True)
    store = open_study(workspace, study)
    if out is not None:
        check_writable(out)
    path = out or workspace.home / FOLDER / f"{study}.html"
    content = _read(workspace, store, tell)
    tell(f"{study}: drawing")
    page = render_page(content).encode()
    with replacing(path) as file:
        file.write_bytes(page)
    run_id = log_report(workspace.ledger_uri, study, page, draw_pictures(content))
    return Report(
        study=study,
        path=path,
        run_id=run_id,
        answer=content.answer,
        faults=content.faults,
        next_steps=[f"{step.why} {step.command}".strip() for step in next_steps(content)],
    )


def _read(workspace: Workspace, store: "TrialStore", tell: Tell) -> "ReportContent":
    """Gather what both ledgers hold of a study, and what follows from it."""
    from pipeline.analysis.report import ReportContent
    from pipeline.search.answers.summary import summary_of
    from pipeline.tracking.report import read_report_source

    study = read_stored_study(store, store.name)
    source = read_report_source(
        workspace.ledger_uri,
        store.name,
        tell=lambda n, n_all: tell(f"{store.name}: reading trial {n + 1} of {n_all}"),
    )
    rows = store.rows()
    summary = summary_of(study, store, with_importances=True)
    effects = summary.effects if summary else ()
    return ReportContent(
        study=study,
        rows=rows,
        curves=source.curves,
        summary=summary,
        gap=_find_gap(study, store.suggested(), rows, source.curves, effects),
        settled=store.settled,
        confirmation=source.confirmation,
        time=source.time,
        records=source.records,
        faults=source.faults,
        made_at=time.strftime("%Y-%m-%d %H:%M"),
        version=version("dropout-search"),
    )


def _find_gap(
    study: StudyConfig,
    suggested: Sequence[Params],
    rows: Sequence[TrialRow],
    curves: Mapping[int, Curve],
    effects: Sequence[Effect],
) -> "Gap":
    """Find how the gap depends on the parameters and on the epoch.

    Args:
        study: Its space.
        suggested: The parameters of each trial, by number.
        rows: The table.
        curves: Of the trials that have one, by number.
        effects: Of the value.
    """
    from pipeline.analysis.gap import at_best, by_epoch, describe
    from pipeline.search.answers.dependence import find_dependences

    scores = at_best(rows, curves)
    best = {effect.parameter: effect.best for effect in effects}
    return describe(
        find_dependences(study, suggested, scores.gaps, {}),
        find_dependences(study, suggested, scores.losses, best),
        by_epoch([curves[number] for number in scores.gaps]),
        effects,
    )
