"""A region of the terminal that is drawn over, below what was printed before."""

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Final

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from pipeline.errors import visible

FRAMES_A_SECOND: Final = 2
"""So often the region is drawn, whatever happens: an event costs no drawing."""

Draw = Callable[[int, int], Sequence[Text]]
"""Makes the lines for a width and a height."""


class Region:
    """Draws lines over in place, twice a second and from a thread of its own.

    The screen is not switched: what was printed before stays above, and so does what ``tell``
    prints. Whoever changes what ``draw`` reads holds ``lock`` meanwhile.

    Args:
        draw: Makes the lines.
        draw_last: Makes those that are left when the work is over.
    """

    def __init__(self, draw: Draw, draw_last: Draw) -> None:
        self.lock = RLock()
        self._draw = draw
        self._draw_last = draw_last
        self._console = Console(stderr=True, force_terminal=True, highlight=False)
        self._size = self._console.size
        self._drawn: list[int] = []
        self._live = Live(
            console=self._console,
            get_renderable=self._frame,
            refresh_per_second=FRAMES_A_SECOND,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

    def start(self) -> None:
        """Show the region."""
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Leave the lines that are to stay."""
        with self.lock:
            self._draw = self._draw_last
        self._live.stop()

    def tell(self, line: str) -> None:
        """Print a line above the region."""
        self._console.print(visible(line), markup=False, soft_wrap=True)

    def tell_ended(self, line: str) -> None:
        """Print nothing: the region shows it."""

    def _frame(self) -> Group:
        """The lines for the terminal as it is now."""
        with self.lock:
            size = self._console.size
            self._clear_wrapped(size.width)
            lines = self._draw(size.width, size.height - 1)
        self._size = size
        self._drawn = [line.cell_len for line in lines]
        return Group(*lines)

    def _clear_wrapped(self, width: int) -> None:
        """Clear the rows that were added when a narrower terminal wrapped the lines drawn last.

        Rich moves up by as many lines as it drew.
        """
        if width >= self._size.width:
            return
        n_added = sum(max(-(-cells // width) - 1, 0) for cells in self._drawn)
        clear = (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)
        self._console.control(Control(*clear * n_added))
