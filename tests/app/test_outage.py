"""A real MLflow server that dies, hangs and comes back while a study runs."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.app.doctor import Diagnosis, examine
from pipeline.app.outbox import deliver
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError
from pipeline.trial import EpochScores, TrialOutcome
from tests.app.servers import Server
from tests.app.studies import check_ledgers_agree, study_in, table
from tests.long_form import long_form

N_TRIALS = 14
OUTAGE_SECONDS = 60.0


def study_behind(server: Server, home: Path) -> Study:
    """The small study, its Optuna store in a home and its MLflow behind the server."""
    return replace(study_in(home), workspace=Workspace(home=home, tracking_uri=server.address))


def at_outcomes(**moments: Callable[[], None]) -> Callable[[EpochScores | TrialOutcome], None]:
    """Do what ``n3`` names when three trials have ended."""
    ended = []

    def watch(news: EpochScores | TrialOutcome) -> None:
        if isinstance(news, TrialOutcome):
            ended.append(news.number)
            moments.get(f"n{len(ended)}", lambda: None)()

    return watch


def found(diagnosis: Diagnosis) -> set[tuple[str, int | None]]:
    """What a doctor names, by kind and trial."""
    return {(finding.kind.value, finding.trial) for finding in diagnosis.findings}


def test_server_that_dies_comes_back_and_hangs_for_good_costs_no_trial(
    home: Path, tmp_path: Path
) -> None:
    with Server(tmp_path) as server:
        study = study_behind(server, tmp_path)
        watch = at_outcomes(n3=server.kill, n7=server.start, n11=server.stop)
        result = study.run(workers=2, watch=watch)
        assert result.counts["failed"] == 0
        assert sum(result.counts.values()) == N_TRIALS
        assert result.outbox is not None
        assert set(result.outbox.trials) < set(range(N_TRIALS))
        assert (result.outbox.study, result.outbox.address) == ("small", server.address)
        with pytest.raises(BadInputError, match="expected the address of a running MLflow"):
            list(deliver(study.workspace))
        server.go_on()
        kept = {("undelivered", number) for number in result.outbox.trials}
        assert found(examine(study.workspace)) == kept
        mended = examine(study.workspace, fix=True)
        assert mended.is_healthy
        assert found(mended) >= kept
        assert examine(study.workspace).findings == []
        assert list(deliver(study.workspace)) == []
    assert not (tmp_path / "outbox" / "small").exists()
    assert table(tmp_path) == table(home)
    check_ledgers_agree(tmp_path, N_TRIALS)


@pytest.mark.slow
@pytest.mark.timeout(900)
@long_form
@pytest.mark.parametrize("how", ["dead", "hanging"])
def test_server_that_is_away_for_a_while_misses_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("pipeline.app.study.FIT", "tests.app.delays:fit_with_delays")
    monkeypatch.setenv("DELAY_SECONDS", str(OUTAGE_SECONDS / 8))
    with Server(tmp_path) as server:
        leave, come_back = {
            "dead": (server.kill, server.start),
            "hanging": (server.stop, server.go_on),
        }[how]
        timer = threading.Timer(OUTAGE_SECONDS, come_back)

        def go_away() -> None:
            leave()
            timer.start()

        result = study_behind(server, tmp_path).run(
            workers=2, max_cohort=1, watch=at_outcomes(n2=go_away)
        )
        assert timer.finished.is_set(), "the study was over before the server was back"
        assert result.outbox is None
    assert table(tmp_path) == table(home)
    check_ledgers_agree(tmp_path, N_TRIALS)
