"""Find what differs between two studies."""

from typing import TYPE_CHECKING

from pipeline.app.browse import open_study, summarise
from pipeline.app.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.analysis.study_difference import StudyDifference, StudySide


def diff(
    workspace: Workspace, a: str, b: str, *, other_workspace: Workspace | None = None
) -> "StudyDifference":
    """Compare two studies: file, data, code, table and answer.

    Args:
        workspace: Where the first one lives.
        a: Its name.
        b: The other one's.
        other_workspace: Where that one lives; by default where the first does.

    Raises:
        BadInputError: One of them is not there.
        WorkFailedError: A store does not answer.
    """
    from pipeline.analysis.study_difference import find_differences

    second = other_workspace or workspace
    return find_differences(_side(workspace, a), _side(second, b))


def _side(workspace: Workspace, name: str) -> "StudySide":
    """Read a study; a record that is damaged is left out."""
    from pipeline.analysis.study_difference import StudySide
    from pipeline.tracking.report import read_report_source

    workspace.check_has_studies(name)
    workspace.check_home(to_write=False)
    store = open_study(workspace, name)
    source = read_report_source(workspace.ledger_uri, name)
    summary = summarise(store)
    return StudySide(
        name=name,
        document=store.document or {},
        rows=store.rows(),
        records={number: record for number, (record, _) in source.records.items()},
        effects=summary.effects if summary else (),
        confirmation=source.confirmation,
    )
