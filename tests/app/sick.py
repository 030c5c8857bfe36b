"""A small finished study to plant faults in: trials 0 to 2 complete, 3 pruned, 4 failed."""

import hashlib
import shutil
from pathlib import Path

from pipeline.app.study import Study
from pipeline.tracking.store import confine_artifacts
from tests.app.studies import study_in

N_TRIALS = 5
FIT = "tests.app.fits:fit_and_fail"
SEARCH = {"sampler": "random", "stopping": "asha", "seed": 0, "block": 1}


def sick_study(home: Path, trials: int = N_TRIALS) -> Study:
    """The study in a home."""
    return study_in(home, training={"epochs": 3}, search={"trials": trials} | SEARCH)


def copied(template: Path, home: Path) -> Path:
    """A home of its own, with MLflow's addresses of artifacts changed to it."""
    shutil.copytree(template, home)
    confine_artifacts(home)
    return home


def digests(home: Path) -> dict[str, str]:
    """The SHA-256 of each file below a home."""
    found = (path for path in sorted(home.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
