"""Those who look on while a study runs, and now and then disturb it."""

from collections.abc import Callable, Mapping

from pipeline.trial import Event, Progress, TrialOutcome


class Watching(Progress):
    """Gives each event to a function, and keeps the lines that are told.

    Args:
        watch: Called with each event.
    """

    def __init__(self, watch: Callable[[Event], None]) -> None:
        self._watch = watch
        self.told: list[str] = []

    def watch(self, event: Event) -> None:
        """Give it on."""
        self._watch(event)

    def tell(self, line: str) -> None:
        """Keep it."""
        self.told.append(line)


class AtOutcome(Watching):
    """Does something once so many trials have ended, and keeps the lines that are told.

    Args:
        moments: What to do, by how many trials have ended.
    """

    def __init__(self, moments: Mapping[int, Callable[[], None]]) -> None:
        super().__init__(self._count)
        self._moments = moments
        self._n_ended = 0

    def _count(self, event: Event) -> None:
        if isinstance(event, TrialOutcome):
            self._n_ended += 1
            self._moments.get(self._n_ended, lambda: None)()
