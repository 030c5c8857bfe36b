"""Functions that run by turns, each in a thread of its own and only one of all at a time."""

import threading
from collections.abc import Callable

from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.custom.resume import PausedError, random_state, set_random_state


class Turn:
    """A function that may stop in its middle, deep inside ``Trainer.fit``, and go on later.

    It has the global random generators for itself: their states are taken at each pause and set
    back when it goes on.

    Args:
        work: The function; it is given its turn, to ``pause``.
        threads: Threads that torch computes with.

    Attributes:
        has_ended: Whether there is nothing left to go on with.
    """

    def __init__(self, work: Callable[["Turn"], None], *, threads: int) -> None:
        self.has_ended = False
        self._work = work
        self._threads = threads
        self._may_go, self._has_paused = threading.Semaphore(0), threading.Semaphore(0)
        self._is_closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def go_on(self) -> None:
        """Run to the next pause, or to the end; one that has ended stays so.

        Raises:
            BaseException: What the function raises.
        """
        if self.has_ended:
            return
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._may_go.release()
        self._has_paused.acquire()
        if self._error is not None:
            raise self._error

    def pause(self) -> None:
        """Wait, inside the function, until the caller lets it go on.

        Raises:
            PausedError: The caller has no more use for it.
        """
        state = random_state()
        self._has_paused.release()
        self._may_go.acquire()
        set_random_state(state)
        if self._is_closed:
            raise PausedError

    def close(self) -> None:
        """End the function where it waits; whatever it still raises is of no interest."""
        self._is_closed = True
        if self._thread.ident is not None and not self.has_ended:
            self._may_go.release()
            self._thread.join()

    def _run(self) -> None:
        try:
            with arithmetic(self._threads):  # flushed denormal numbers are a thread's own setting
                self._work(self)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error
        self.has_ended = True
        self._has_paused.release()
