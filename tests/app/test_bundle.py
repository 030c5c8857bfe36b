"""A study in one file: written, taken into another home, and there the same."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mlflow.tracking import MlflowClient

import pipeline
from pipeline.app.browse import list_studies, show_study
from pipeline.app.bundles.bundle import Bundle, _Watched, bundle
from pipeline.app.bundles.import_study import import_study
from pipeline.app.bundles.reader import open_archive
from pipeline.app.doctor import examine
from pipeline.app.report import write_report
from pipeline.app.retraining.confirm import Candidates
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.trust import trusted_file
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.tracking.store import tracking_uri
from tests.app.sick import copied
from tests.app.studies import ROOT, check_ledgers_agree, study_in, table, with_store
from tests.fakes import FakeEngine, KilledError

pytestmark = pytest.mark.slow

N_TRIALS = 9
DIVERGING = {"depth": 2, "learning_rate": 1_000.0, "weight_decay": 1.0}
SECTIONS: dict[str, Any] = {
    "space": {
        "depth": {"low": 1, "high": 2},
        "width": {"choices": [8, 16]},
        "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
        "batch_size": 64,
        "learning_rate": {"low": 1e-4, "high": 1e3, "log": True},
        "weight_decay": {"low": 0.0, "high": 1.0},
    },
    "training": {"epochs": 2},
    "search": {"trials": N_TRIALS, "block": 3, "finalists": 1, "stopping": "asha", "seed": 3},
    "trials": [{"depth": 1, "width": 16, "learning_rate": 0.01, "weight_decay": 0.0}, DIVERGING],
}


@pytest.fixture(autouse=True, scope="module")
def _trained_here() -> Iterator[None]:
    """Train in this process: workers take longer to start than these studies to train."""

    @contextmanager
    def engine(*_job: object, **_limits: object) -> Iterator[FakeEngine]:
        yield FakeEngine(fit_cohort)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("running", "retraining.confirm", "retraining.reproduce"):
            patch.setattr(f"pipeline.app.{module}.start_engine", engine)
        yield


def workspace(home: Path) -> Workspace:
    """A home with its embedded stores."""
    return Workspace(home=home, tracking_uri=None)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a failed trial and a finalist, confirmed; nobody may change it."""
    home = tmp_path_factory.mktemp("source") / "home"
    study_in(home, **SECTIONS).run()
    Candidates.read(workspace(home), "small", top=2).confirm(seeds=2)
    return home


@pytest.fixture(scope="module")
def written(home: Path) -> Bundle:
    """The study's bundle."""
    return bundle(workspace(home), "small")


@pytest.fixture(scope="module")
def there(written: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home into which it was taken."""
    home = tmp_path_factory.mktemp("target") / "home"
    import_study(written.path, workspace=workspace(home))
    return home


def confirmation_of(home: Path) -> dict[str, Any]:
    """The answer of the study's confirmation, but for the run's id."""
    client = MlflowClient(tracking_uri(home))
    (experiment,) = (one for one in client.search_experiments() if one.name == "small")
    (run,) = client.search_runs([experiment.experiment_id], "tags.confirm_of_study != ''")
    (path,) = (home / "artifacts").rglob(f"{run.info.run_id}/artifacts/confirmation.json")
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer | {"run_id": ""}


def note_of(home: Path) -> str:
    """The study's note, in which each run id and page is another one."""
    client = MlflowClient(tracking_uri(home))
    (experiment,) = (one for one in client.search_experiments() if one.name == "small")
    (run,) = client.search_runs([experiment.experiment_id], "tags.study_run = 'true'")
    assert run.info.status == "FINISHED"
    note: str = run.data.tags["mlflow.note.content"]
    return note


def test_same_study_makes_the_same_file(home: Path, written: Bundle, tmp_path: Path) -> None:
    again = bundle(workspace(home), "small", out=tmp_path / "again.tar")
    assert again.path.read_bytes() == written.path.read_bytes()
    assert (again.sha256, again.size) == (written.sha256, written.path.stat().st_size)
    assert written.path == home / "bundles/small.tar"
    assert written.counts == {"trials": N_TRIALS, "confirmations": 1, "repeats": 4, "weights": 2}
    assert list(written.warnings) == []


def test_ordinary_tar_unpacks_it(written: Bundle, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", written.path, "-C", tmp_path], check=True)  # noqa: S607 - the system's
    assert "small" in (tmp_path / "study.yaml").read_text()
    assert (tmp_path / "trials/000000/record.json").is_file()


def test_it_names_neither_a_folder_nor_a_user_of_this_machine(home: Path, written: Bundle) -> None:
    content = written.path.read_bytes()
    for word in (str(home), str(Path.home()), str(ROOT), os.uname().nodename):
        assert word.encode() not in content


def test_folder_of_this_machine_in_a_study_file_is_told(
    home: Path,
) -> None:
    watched = _Watched(workspace(home))
    path = str(home.resolve())
    members = [("study.yaml", f"path: {path}/x.npz"), ("note.md", path), ("a.png", f"{path}/")]
    list(watched.pass_on(iter([(name, text.encode()) for name, text in members])))
    assert watched.warnings == [
        "folders of this machine are named in study.yaml, and go along as they are"
    ]


def test_imported_study_has_the_same_table_and_answer(home: Path, there: Path) -> None:
    assert examine(workspace(there)).is_healthy
    assert table(there) == table(home)
    before, after = (show_study(workspace(one), "small", with_answer=True) for one in (home, there))
    assert [replace(row, run_id=None) for row in after.trials] == [
        replace(row, run_id=None) for row in before.trials
    ]
    assert {row.run_id for row in after.trials}.isdisjoint(row.run_id for row in before.trials)
    assert after.as_json()["answer"] == before.as_json()["answer"]
    assert after.best is not None
    assert before.best is not None
    assert after.best.as_json()["value"] == before.best.as_json()["value"]
    assert {row.state.value for row in after.trials} >= {"COMPLETE", "FAIL"}


def test_imported_study_has_the_same_confirmation_and_openings(home: Path, there: Path) -> None:
    assert confirmation_of(there) == confirmation_of(home)
    confirmed = [note_of(one).partition("**Confirmed")[2] for one in (home, there)]
    assert confirmed[0] == confirmed[1]
    assert "opened 1 time" in confirmed[1]


def test_report_says_the_same_in_both_homes(home: Path, there: Path, tmp_path: Path) -> None:
    copies = [copied(one, tmp_path / one.parent.name) for one in (home, there)]
    reports = [write_report(workspace(one), "small") for one in copies]
    assert reports[0].answer == reports[1].answer
    assert reports[0].next_steps == reports[1].next_steps
    assert (reports[0].faults, reports[1].faults) == ((), ())


@pytest.mark.parametrize("trial", ["best", 1, 2], ids=["best", "failed", "without its weights"])
def test_reproduce_gives_the_verdict_of_home(trial: Any, there: Path, tmp_path: Path) -> None:
    again = reproduce(workspace(copied(there, tmp_path / "home")), "small", trial=trial)
    assert (again.comparison.verdict, again.comparison.differences) == ("identical", ())


def test_second_bundle_is_the_first(there: Path, written: Bundle, tmp_path: Path) -> None:
    again = bundle(workspace(there), "small", out=tmp_path / "again.tar")
    with open_archive(again.path) as second, open_archive(written.path) as first:
        members = [{name: one.digest_of(name) for name in one.names} for one in (first, second)]
    assert members[0] == members[1]
    assert again.sha256 == written.sha256


def test_nothing_differs_between_the_two_homes(home: Path, there: Path) -> None:
    found = study_in(home, **SECTIONS).diff(study_in(there, **SECTIONS))
    assert found.differences == ()


def test_run_goes_on_from_an_imported_study(there: Path, tmp_path: Path) -> None:
    there = copied(there, tmp_path / "home")
    before = show_study(workspace(there), "small").trials
    more = SECTIONS | {"search": SECTIONS["search"] | {"trials": N_TRIALS + 3}}
    rows = study_in(there, **more).run().trials
    assert list(rows[:N_TRIALS]) == list(before)
    check_ledgers_agree(there, N_TRIALS + 3)


def test_second_import_says_that_it_is_there(there: Path, written: Bundle, tmp_path: Path) -> None:
    there = copied(there, tmp_path / "home")
    again = import_study(written.path, workspace=workspace(there))
    assert again.was_there
    assert examine(workspace(there)).is_healthy


def test_another_study_of_the_name_is_refused(written: Bundle, tmp_path: Path) -> None:
    study_in(tmp_path / "home", search={"trials": 1}).run()
    before = table(tmp_path / "home")
    with pytest.raises(BadInputError, match="study 'small': the home has another study"):
        import_study(written.path, workspace=workspace(tmp_path / "home"))
    assert table(tmp_path / "home") == before


def _dies(*_: object, **__: object) -> NoReturn:
    raise KilledError


def test_killed_import_leaves_no_study_and_the_next_one_completes_it(
    home: Path, written: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = with_store(tmp_path / "home")
    monkeypatch.setattr("pipeline.search.storage.bundled.publish_copy", _dies)
    with pytest.raises(KilledError, match=r"^$"):
        import_study(written.path, workspace=workspace(target))
    monkeypatch.undo()
    assert not list_studies(workspace(target))
    (finding,) = examine(workspace(target)).findings
    assert finding.kind.value == "study-without-store"
    assert "`pipeline import` of the same file goes on" in finding.how
    assert finding.how.endswith(written.sha256[:12])
    other = bundle(workspace(home), "small", out=tmp_path / "other.tar", weights="none")
    with pytest.raises(BadInputError, match="an import of another file left"):
        import_study(other.path, workspace=workspace(target))
    import_study(written.path, workspace=workspace(target))
    check_ledgers_agree(target, N_TRIALS)
    assert examine(workspace(target)).is_healthy
    assert confirmation_of(target) == confirmation_of(home)


@pytest.mark.parametrize(("weights", "held"), [("none", 0), ("all", 11)])
def test_weights_travel_as_asked(weights: Any, held: int, home: Path, tmp_path: Path) -> None:
    written = bundle(workspace(home), "small", out=tmp_path / "some.tar", weights=weights)
    assert written.counts["weights"] == held


def test_study_whose_ledgers_disagree_is_not_bundled(home: Path, tmp_path: Path) -> None:
    sick = copied(home, tmp_path / "home")
    run_id = show_study(workspace(sick), "small").trials[2].run_id
    next((sick / "artifacts").rglob(f"{run_id}/artifacts/record.json")).unlink()
    with pytest.raises(WorkFailedError, match=r"do not agree .*doctor --fix"):
        bundle(workspace(sick), "small")


def test_missing_study_and_folder_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="got 'other', expected one of: small"):
        bundle(workspace(home), "other")
    with pytest.raises(BadInputError, match="--out"):
        bundle(workspace(home), "small", out=tmp_path / "none" / "file.tar")


def test_imported_code_is_not_trusted(tmp_path: Path) -> None:
    source, target = tmp_path / "a", with_store(tmp_path / "b")
    own = {
        "model": {"class_path": "tests.learning.custom.modules.Plain"},
        "space": {"batch_size": 64},
        "training": {"epochs": 1},
        "search": {"trials": 1},
        "trials": [],
    }
    study: Study = study_in(source, **own)
    study.run()
    trusted = trusted_file().read_text()
    imported = pipeline.import_study(study.bundle().path, workspace=workspace(target))
    assert imported.classes == ("tests.learning.custom.modules.Plain",)
    assert trusted_file().read_text() == trusted
    with pytest.raises(BadInputError, match="is code that you have not run in this study"):
        reproduce(workspace(target), "small")
