"""A few blows of ``benchmarks.torture``, each at another place."""

from pathlib import Path

import pytest
import yaml

from benchmarks.blows import Act, Blow
from benchmarks.torture import Round, Tally
from tests.app.studies import PRUNED_TOO, study_in, table
from tests.long_form import long_form

pytestmark = [pytest.mark.slow, long_form]

ACTS: list[Act] = [
    [
        Blow(victim="fork-server", phase="start-up", delay=0.9),
        Blow(victim="worker", phase="training", delay=0.05),
        Blow(victim="driver", phase="writing", jitter=0.004),
    ],
    [
        Blow(victim="worker", phase="writing", delay=0.1),
        Blow(victim="group", phase="shut-down", signal="SIGTERM", jitter=0.02),
    ],
]


@pytest.mark.usefixtures("cold_python")  # the blows find processes by parent and name
def test_study_under_blows_ends_as_the_undisturbed_one(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(PRUNED_TOO), encoding="utf-8")
    tortured, tally = tmp_path / "home", Tally()
    one = Round(file, tortured, tally, workers=2)
    one.run(ACTS)
    assert tally.n_kills == sum(map(len, ACTS))
    assert tally.restarts == len(ACTS)
    one.check(table(home))


@pytest.mark.usefixtures("cold_python")
def test_study_whose_trials_pause_ends_under_blows_as_the_undisturbed_one(tmp_path: Path) -> None:
    pausing = PRUNED_TOO | {"search": PRUNED_TOO["search"] | {"stopping": "halving", "block": 6}}
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(pausing), encoding="utf-8")
    study_in(tmp_path / "undisturbed", search=pausing["search"]).run(workers=1)
    one = Round(file, tmp_path / "home", Tally(), workers=2)
    one.run(ACTS)
    one.check(table(tmp_path / "undisturbed"))
