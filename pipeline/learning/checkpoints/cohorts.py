"""Checkpoints of a cohort: one a member, so that a member may go on in another company."""

import time
from collections.abc import Callable, Sequence

from pipeline.learning.checkpoints.keeper import Keeper, fingerprint_of
from pipeline.learning.cohort.member import Member
from pipeline.trial import Cohort, EpochScores, Facts, TrialState


class Keeping:
    """Keeps the members of a cohort, and takes up what was kept of them.

    Args:
        keeper: Writes and reads.
        cohort: Who is trained together.
        facts: Tells where a member is trained; asked only where it matters.
    """

    def __init__(self, keeper: Keeper, cohort: Cohort, facts: Callable[[Member], Facts]) -> None:
        """Keep nothing yet."""
        self._keeper = keeper
        self._cohort = cohort
        self._facts = facts

    def take_up(self, members: Sequence[Member], report: Callable[[EpochScores], None]) -> None:
        """Let members go on from their checkpoints, and report the epochs behind them again."""
        for member in members:
            number = member.assignment.config.number
            if not self._keeper.has(number):
                continue
            state = self._keeper.find(self._fingerprint(member), number)
            if state is not None:
                member.take_up(state)
                for scores in member.curve:
                    report(scores)

    def keep(self, members: Sequence[Member]) -> None:
        """Write the members' checkpoints if it is time; of one that has left, once.

        One that failed is not written: trained again from its last checkpoint it fails again.
        """
        if not self._keeper.is_due:
            return
        started = time.perf_counter()
        for member in members:
            if member.state is TrialState.FAIL or member.is_kept:
                continue
            number = member.assignment.config.number
            is_written = self._keeper.keep(self._fingerprint(member), number, member.to_keep)
            member.is_kept = is_written and member.state is not None
        self._keeper.wait(time.perf_counter() - started)

    def _fingerprint(self, member: Member) -> str:
        return fingerprint_of(member.assignment, self._facts(member), self._cohort.keys)


def at_one_epoch(members: Sequence[Member]) -> list[list[Member]]:
    """Put those together that can go on together: a step more of one is a step more of all.

    Members of several earlier cohorts, or of one whose checkpoints a death left half written,
    stand at several epochs. They are trained one group after another, which changes no bit.

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
