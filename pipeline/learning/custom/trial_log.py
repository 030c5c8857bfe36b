"""What a user's code says while its trial is trained: ``worker.log``."""

import io
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Final

from pipeline.errors import without_password

LONGEST: Final = 65_536
"""Characters that are kept, the last ones."""


class TrialLog(io.TextIOBase):
    """Keeps the end of what is printed, warned and raised; a worker's own streams lead nowhere."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str) -> int:
        """Take what is printed."""
        self._text = (self._text + text)[-LONGEST:]
        return len(text)

    def writable(self) -> bool:
        """Whoever asks may write."""
        return True

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Take what is written to ``sys.stdout`` and ``sys.stderr``, warnings included."""
        with redirect_stdout(self), redirect_stderr(self):
            yield

    def add(self, error: BaseException) -> None:
        """Take the whole traceback of an exception."""
        self.write("".join(traceback.format_exception(error)))

    @property
    def content(self) -> bytes | None:
        """The file; ``None`` where nothing was said."""
        text = without_password(self._text)
        return text.encode("utf-8", "replace") if text.strip() else None
