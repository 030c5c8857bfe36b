"""The command, started from a module whose name nobody else takes.

``python -m dropout_search`` is the command ``dropout-search``. The package is called ``pipeline``,
and so may a file of the user's be: in the working folder, in which ``python -m`` and notebooks look
first, or on ``PYTHONPATH``. This module finds such a file before it is run, and says what to do.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

PACKAGE = "pipeline"


def main() -> NoReturn:
    """Run the command line, or say which file takes the place of its package (exit code 2)."""
    hiding = find_hiding_file()
    if hiding is not None:
        sys.stderr.write(
            f"error: {hiding}: hides the package {PACKAGE!r} of Dropout Search; rename it, or "
            "start where neither the working folder nor PYTHONPATH has it\n"
        )
        sys.exit(2)
    from pipeline.cli import main as run

    run()


def find_hiding_file() -> str | None:
    """The file or folder that ``import pipeline`` would take; ``None``: it takes the package."""
    ours = Path(__file__).resolve().parent / PACKAGE / "__init__.py"
    spec = find_spec(PACKAGE)
    if spec is None or (spec.origin and Path(spec.origin).resolve() == ours):
        return None
    found = spec.origin or next(iter(spec.submodule_search_locations or ()), PACKAGE)
    return ascii(found)[1:-1]


if __name__ == "__main__":
    main()
