"""Shapes that the trials of a block share, so that they can be trained together."""

from pipeline.config import Params, StudyConfig


class SharedShapes:
    """Says whose shape a trial takes (``search.shapes``).

    The first trials of a block are its *leaders* and choose their shapes; trial *n* of the block
    takes that of leader *n* modulo ``search.shapes``. Without the key, or where a block has no
    more trials than shapes, every trial chooses.

    Args:
        study: Its search section says how many shapes a block has.
    """

    def __init__(self, study: StudyConfig) -> None:
        """Start with no leaders."""
        self._space = study.space
        self._block = study.search.block
        shapes = study.search.shapes or self._block
        self._n_leaders = shapes if shapes < self._block else 0
        self._led: dict[int, Params] = {}

    def given_to(self, number: int) -> Params:
        """What the leader's shape follows from; nothing for who chooses."""
        place = number % self._block
        if place < self._n_leaders or not self._n_leaders:
            return {}
        return self._led[number - place + place % self._n_leaders]

    def are_taken(self, number: int, params: Params) -> bool:
        """Whether a leader's shape is one that is tried already and not known yet.

        Those are the shapes of this block's other leaders and of the last block's, whose outcomes
        no trial of this block sees.
        """
        if not self._is_leader(number):
            return False
        first = number - number % self._block - self._block
        shape = self._shape(params)
        return any(self._led[past] == shape for past in self._led if first <= past < number)

    def note(self, number: int, params: Params) -> None:
        """Take in what a trial tries."""
        if self._is_leader(number):
            self._led.pop(number - 2 * self._block, None)
            self._led[number] = self._shape(params)

    def _is_leader(self, number: int) -> bool:
        return number % self._block < self._n_leaders

    def _shape(self, params: Params) -> Params:
        return {name: params[name] for name in self._space.shaping(params)}
