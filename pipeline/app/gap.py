"""The gap of a study, read from both ledgers."""

from pipeline.analysis.gap import Gap, at_best, by_epoch, describe
from pipeline.app.browse import show_study
from pipeline.app.workspace import Workspace
from pipeline.config import check_study


def read_gap(workspace: Workspace, name: str) -> Gap | None:
    """Read how a study's gap depends on its parameters and on the epoch.

    Returns:
        ``None`` where the search has no summary.

    Raises:
        BadInputError: There is no study of this name.
        WorkFailedError: A record, which names a trial's scores, is damaged.
    """
    from pipeline.search.dependence import find_dependences
    from pipeline.search.storage import open_storage
    from pipeline.search.store import TrialStore
    from pipeline.tracking.reader import read_curves

    result = show_study(workspace, name, with_answer=True)
    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    if result.search is None or storage is None:
        return None
    store = TrialStore(storage, name)
    study, suggested = check_study(store.document or {}, name), store.suggested()
    curves = read_curves(workspace.ledger_uri, name)
    scores, effects = at_best(result.trials, curves), result.search.effects
    best = {effect.parameter: effect.best for effect in effects}
    return describe(
        find_dependences(study, suggested, scores.gaps, {}),
        find_dependences(study, suggested, scores.losses, best),
        by_epoch([curves[number] for number in scores.gaps]),
        effects,
    )
