"""Signals that end a command: what was done is written, and within ten seconds it is over."""

import os
import signal
import sys
from threading import Timer

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; a service manager, a container or a batch system; a terminal that is closed."""
SECONDS_TO_END = 9.0


def end_on_signals() -> None:
    """Let the first of these signals raise ``KeyboardInterrupt``, and those that follow do nothing.

    So a second Ctrl-C does not break off the writing. A writing that hangs (a server that is away)
    is ended after nine seconds, which loses no more than ``kill -9`` does. A signal that this
    process was started to ignore (``nohup``, a shell's background job) is ignored.
    """
    asked: list[int] = []
    has_terminal = sys.stderr.isatty()

    def interrupt(number: int, _frame: object) -> None:
        if not asked:
            asked.append(number)
            if has_terminal and number == signal.SIGHUP:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # it is gone
            last_resort = Timer(SECONDS_TO_END, _end_at_once, [number])
            last_resort.daemon = True
            last_resort.start()
            raise KeyboardInterrupt(number)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def exit_code_of(stop: BaseException) -> int:
    """128 and the number of the signal, as shells count: 130 after Ctrl-C, 143 after SIGTERM.

    Args:
        stop: The ``KeyboardInterrupt``, or what was raised from it.
    """
    interrupt = stop if isinstance(stop, KeyboardInterrupt) else stop.__cause__
    numbers = interrupt.args if isinstance(interrupt, KeyboardInterrupt) else ()
    return 128 + (numbers[0] if numbers else signal.SIGINT)


def _end_at_once(number: int) -> None:
    print(
        f"error: interrupted, and not all could be written within {SECONDS_TO_END:g} seconds; "
        "`pipeline run` goes on from here",
        file=sys.__stderr__,  # a live screen stands before the other, and may be what hangs
        flush=True,
    )
    os._exit(128 + number)
