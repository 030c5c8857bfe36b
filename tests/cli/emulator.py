"""A terminal in a few lines: what stands on it after a program has written to it."""

import os
import pty
import re
import subprocess
import termios
from collections.abc import Sequence

from tests.app.studies import ROOT
from tests.warm.python import PYTHON

SEQUENCE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|\x1b\][^\x07]*\x07|[\r\n]|[^\x1b\r\n]+")


class Terminal:
    """Follows cursor movements, wraps lines, and wraps them anew where it becomes narrower.

    ``ESC ] size:WxH BEL``, which no terminal knows, is how a program under test resizes it.

    Attributes:
        rows: What was written, scrollback included; trailing blanks cut off.
        n_wrapped: How often a line had no room, a resize apart.
    """

    def __init__(self, width: int = 80) -> None:
        self.width = width
        self.rows = [""]
        self.n_wrapped = 0
        self._row = self._column = 0

    def feed(self, written: str) -> "Terminal":
        """Take what a program writes."""
        for found in SEQUENCE.findall(written):
            self._take(found)
        return self

    @property
    def text(self) -> str:
        """All rows."""
        return "\n".join(row.rstrip() for row in self.rows)

    def _take(self, found: str) -> None:
        if found == "\r":
            self._column = 0
        elif found == "\n":
            self._row, self._column = self._row + 1, 0
            self.rows += [""] * (self._row + 1 - len(self.rows))
        elif found.startswith("\x1b]size:"):
            self._resize(int(found[7:].partition("x")[0]))
        elif found.startswith("\x1b["):
            self._command(found[-1], found[2:-1])
        elif found[0] != "\x1b":
            self._print(found)

    def _command(self, name: str, given: str) -> None:
        if name == "A":
            self._row = max(self._row - int(given or 1), 0)
        elif name == "K":
            assert given == "2"
            self.rows[self._row] = ""
        else:
            assert name in "mhl", name  # colours, and whether the cursor is shown

    def _print(self, text: str) -> None:
        for letter in text:
            if self._column == self.width:
                self.n_wrapped += 1
                self._take("\n")
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + letter + row[self._column + 1 :]
            self._column += 1

    def _resize(self, width: int) -> None:
        """Wrap what is there, as tmux and most terminals do; the cursor stays at its letter."""
        before, self.width = self.rows, width
        self.rows, cursor = [], 0
        for index, row in enumerate(before):
            parts = [row[at : at + width] for at in range(0, len(row), width)] or [""]
            self.rows += parts
            if index == self._row:
                cursor = len(self.rows) - 1
        self._row, self._column = cursor, min(self._column, width)


def on_a_terminal(words: Sequence[str], *, height: int, **environment: str) -> tuple[int, str]:
    """Run Python on a real terminal of 80 columns.

    Args:
        words: What it is given.
        height: Lines of the terminal.
        environment: Variables beside this process's, of which none tells a size or to be plain.

    Returns:
        Its exit code, and what it wrote.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (height, 80))
    unset = {"NO_COLOR", "COLUMNS", "LINES"}
    others = {name: text for name, text in os.environ.items() if name not in unset}
    with subprocess.Popen(
        [PYTHON, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=others | {"PYTHONPATH": str(ROOT)} | environment,
        cwd=ROOT,
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while part := os.read(ours, 65_536):
                written += part
        except OSError:  # Linux says so that the other end is closed
            os.close(ours)
    return process.returncode, written.decode()
