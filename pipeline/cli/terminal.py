"""What the terminal behind stderr can do."""

import os
import sys


def can_draw_over() -> bool:
    """Whether lines can be drawn over in place: on a terminal that is neither dumb nor colourless.

    ``NO_COLOR`` asks for plain text, and so it gets plain lines.
    """
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
    return sys.stderr.isatty() and not is_plain
