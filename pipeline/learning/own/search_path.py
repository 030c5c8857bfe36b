"""Where a user's own classes are looked for, beside what Python searches anyway."""

import sys
from pathlib import Path


def search_also(*folders: Path) -> None:
    """Look for modules in these folders too, after all others.

    ``python -m pipeline`` searches the working folder and the console script does not; here both
    do. A worker searches where the driver that starts it does. The folders stand last, so that a
    file of the user's never takes the place of a package that this project needs.

    Args:
        folders: The working folder, the study file's.
    """
    known = {Path(entry).resolve() for entry in sys.path}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        if folder.is_dir() and folder not in known:
            sys.path.append(str(folder))
