"""Run ids as people type them: the first digits, as many as tell a run from all others."""

from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile
from typing import Final

from pipeline.app.workspace import Workspace

SHORTEST: Final = 8
"""Digits of a shortened run id, unless more are needed; fewer are taken for a study's name."""


def shortened(run_ids: Sequence[str], workspace: Workspace) -> dict[str, str]:
    """Shorten run ids so that each is unique among all runs of the home.

    Of a ledger that is a server, only the given runs are compared.

    Args:
        run_ids: To be shortened.
        workspace: Names the ledger.
    """
    from pipeline.tracking.store import read_run_ids

    lengths = _needed({*run_ids, *read_run_ids(workspace.ledger_uri)})
    return {run_id: run_id[: lengths[run_id]] for run_id in run_ids}


def _needed(run_ids: Iterable[str]) -> dict[str, int]:
    """How many digits tell each run id from its neighbours in sorted order, thus from all.

    >>> _needed(["aaaaaaaaab", "aaaaaaaaac", "b"])
    {'aaaaaaaaab': 10, 'aaaaaaaaac': 10, 'b': 8}
    """
    ordered = sorted(run_ids)
    lengths = dict.fromkeys(ordered, SHORTEST)
    for one, other in pairwise(ordered):
        pairs = zip(one, other, strict=False)
        n_needed = 1 + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        lengths[one] = max(lengths[one], n_needed)
        lengths[other] = max(lengths[other], n_needed)
    return lengths
