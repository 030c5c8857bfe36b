"""How a study is left: nothing running, and no trial without a run."""

from pipeline.config import StudyConfig
from pipeline.search.blocks import resolve
from pipeline.search.store import TrialStore
from pipeline.trial import Ledger, TrialRow, TrialState


def settle(study: StudyConfig, store: TrialStore, ledger: Ledger) -> list[TrialRow]:
    """Leave nothing running and nothing without a run, be it of this run or of one before.

    Args:
        study: Whose trials are settled; nobody trains them any more.
        store: Its trials.
        ledger: Open; it is closed after this.

    Returns:
        The study's table.
    """
    left = [row for row in store.rows() if not row.state.is_finished]
    for row in left:
        if row.state is TrialState.RUNNING:
            store.release(row.number)
        if row.run_id is None:
            ledger.start(resolve(study, row.number, row.params))
        ledger.release(row.number)
    rows = store.rows()
    n_finished = sum(row.state.is_finished for row in rows)
    ledger.close(rows, is_done=n_finished >= study.search.trials)
    note_runs(store, ledger)
    return store.rows()


def note_runs(store: TrialStore, ledger: Ledger) -> None:
    """Write down the runs that trials got when nobody could note it, or since they are late."""
    bare = [row for row in store.rows() if row.run_id is None]
    run_ids = ledger.run_ids if bare else {}
    found = [row for row in bare if row.number in run_ids]
    store.note_runs({row.number: run_ids[row.number] for row in found if not row.state.is_finished})
    store.note_late_runs(
        {row.number: run_ids[row.number] for row in found if row.state.is_finished}
    )
