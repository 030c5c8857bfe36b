"""The gap of a study, read from both ledgers."""

from collections.abc import Mapping, Sequence

from pipeline.analysis.gap import Gap, at_best, by_epoch, describe
from pipeline.app.browse import show_study
from pipeline.app.workspace import Workspace
from pipeline.config import Params, StudyConfig, check_study
from pipeline.trial import Curve, Effect, TrialRow


def read_gap(workspace: Workspace, name: str) -> Gap | None:
    """Read how a study's gap depends on its parameters and on the epoch.

    Returns:
        ``None`` where the search has no summary.

    Raises:
        BadInputError: There is no study of this name.
        WorkFailedError: A record, which names a trial's scores, is damaged.
    """
    from pipeline.search.storage import open_storage
    from pipeline.search.store import TrialStore
    from pipeline.tracking.reader import read_curves

    result = show_study(workspace, name, with_answer=True)
    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    if result.search is None or storage is None:
        return None
    store = TrialStore(storage, name)
    study = check_study(store.document or {}, name)
    curves = read_curves(workspace.ledger_uri, name)
    return find_gap(study, store.suggested(), result.trials, curves, result.search.effects)


def find_gap(
    study: StudyConfig,
    suggested: Sequence[Params],
    rows: Sequence[TrialRow],
    curves: Mapping[int, Curve],
    effects: Sequence[Effect],
) -> Gap:
    """Find how the gap depends on the parameters and on the epoch.

    Args:
        study: Its space.
        suggested: The parameters of each trial, by number.
        rows: The table.
        curves: Of the trials that have one, by number.
        effects: Of the value.
    """
    from pipeline.search.dependence import find_dependences

    scores = at_best(rows, curves)
    best = {effect.parameter: effect.best for effect in effects}
    return describe(
        find_dependences(study, suggested, scores.gaps, {}),
        find_dependences(study, suggested, scores.losses, best),
        by_epoch([curves[number] for number in scores.gaps]),
        effects,
    )
