"""Checkpoints of a cohort: one for each member, so that it can go on in another cohort."""

import time
from collections.abc import Callable, Sequence

from pipeline.learning.checkpoints.keeper import Keeper, fingerprint_of
from pipeline.learning.cohort.member import Member
from pipeline.trial import Cohort, EpochScores, Facts, TrialState


class CohortCheckpoints:
    """Saves and restores the members of a cohort.

    Args:
        keeper: Writes and reads.
        cohort: The trials that are trained together.
        facts: Collects the facts of a member; called only where they are needed.
    """

    def __init__(self, keeper: Keeper, cohort: Cohort, facts: Callable[[Member], Facts]) -> None:
        self._keeper = keeper
        self._cohort = cohort
        self._facts = facts

    def restore(self, members: Sequence[Member], report: Callable[[EpochScores], None]) -> None:
        """Restore members from their checkpoints, and report their epochs again."""
        for member in members:
            number = member.config.number
            if not self._keeper.has(number):
                continue
            state = self._keeper.find(self._fingerprint(member), number)
            if state is not None:
                member.load_state_dict(state)
                for scores in member.curve:
                    report(scores)

    def save(self, members: Sequence[Member]) -> None:
        """Write the members' checkpoints if it is time; of one that has ended, once.

        One that failed is not written: retrained from its last checkpoint it fails again.
        """
        if not self._keeper.is_due:
            return
        started = time.perf_counter()
        for member in members:
            if member.state is TrialState.FAIL or member.is_checkpointed:
                continue
            number = member.config.number
            is_written = self._keeper.keep(self._fingerprint(member), number, member.state_dict)
            member.is_checkpointed = is_written and member.state is not None
        self._keeper.wait(time.perf_counter() - started)

    def _fingerprint(self, member: Member) -> str:
        return fingerprint_of(member.assignment, self._facts(member), self._cohort.keys)


def at_one_epoch(members: Sequence[Member]) -> list[list[Member]]:
    """Group members by the number of epochs behind them: a step of one is a step of all.

    Members restored from several cohorts, or from one that died while it wrote checkpoints, differ
    in their epochs. The groups are trained one after another, which changes no bit.

    Args:
        members: In the cohort's order; those that have ended go with the first group.
    """
    found: dict[int, list[Member]] = {}
    for member in members:
        if member.state is None:
            found.setdefault(len(member.curve), []).append(member)
    ended = [member for member in members if member.state is not None]
    groups = list(found.values()) or [[]]
    return [ended + groups[0], *groups[1:]]
