"""What is kept for a server that is away is whole, is checked, and opens without MLflow."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import WorkFailedError
from pipeline.tracking.outbox import Outbox, waiting_in
from pipeline.trial import (
    EpochScores,
    FoldScores,
    TrialOutcome,
    TrialRecord,
    TrialState,
    curve_sha256,
)
from tests.tracking.builders import config, curve, outcome


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path, "digits")


PICTURES = {"weight_map.png": b"\x89PNG one", "reconstructions.png": b"\x89PNG two"}
OUTCOMES = {
    "complete": outcome(12, pictures=PICTURES),
    "pruned": outcome(12, TrialState.PRUNED, cause="median"),
    "failed at once": outcome(
        12, TrialState.FAIL, cause="x\n…", curve=(), weights=None, facts=None
    ),
    "with folds": outcome(
        12,
        curve=tuple(replace(s, folds=(FoldScores(1 / 3, 0.1, 0.2, 0.3),) * 2) for s in curve(12)),
    ),
}


@pytest.mark.parametrize("kept", OUTCOMES.values(), ids=OUTCOMES.keys())
def test_an_outcome_is_read_as_it_was_kept(outbox: Outbox, kept: TrialOutcome) -> None:
    outbox.keep(config(12), kept)
    assert outbox.load(12) == (config(12), kept)
    assert outbox.numbers == [12]


@given(losses=st.lists(st.floats(), min_size=1, max_size=3))
def test_every_float_of_a_curve_keeps_its_bits(
    tmp_path_factory: pytest.TempPathFactory, losses: list[float]
) -> None:
    outbox = Outbox(tmp_path_factory.mktemp("outbox"), "digits")
    epochs: list[EpochScores] = [
        replace(scores, val_loss=loss) for scores, loss in zip(curve(0), losses, strict=False)
    ]
    outbox.keep(config(0), outcome(0, TrialState.FAIL, curve=tuple(epochs)))
    found = outbox.load(0)[1].curve
    assert curve_sha256(found) == curve_sha256(epochs)
    assert [math.isnan(one.val_loss) for one in found] == [math.isnan(loss) for loss in losses]


def test_the_record_that_is_kept_is_the_one_that_mlflow_will_hold(outbox: Outbox) -> None:
    outbox.keep(config(12), OUTCOMES["complete"])
    text = (outbox.folder / "trial-012" / "record.json").read_text()
    record = TrialRecord.of(config(12), OUTCOMES["complete"])
    assert TrialRecord.model_validate_json(text) == record


def test_an_outcome_takes_the_place_of_an_older_one(outbox: Outbox) -> None:
    outbox.keep(config(12), OUTCOMES["complete"])
    outbox.keep(config(12), OUTCOMES["failed at once"])
    assert outbox.load(12)[1] == OUTCOMES["failed at once"]


def test_an_outcome_that_was_not_written_to_its_end_is_none(outbox: Outbox) -> None:
    torn = outbox.folder / "trial-012.unfinished"
    torn.mkdir(parents=True)
    (torn / "record.json").write_text("{")
    assert outbox.numbers == []
    outbox.keep(config(12), OUTCOMES["pruned"])
    assert outbox.load(12)[1] == OUTCOMES["pruned"]


@pytest.mark.parametrize("name", ["record.json", "curve.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "torn", "changed"])
def test_a_damaged_outcome_is_refused_by_its_folder(outbox: Outbox, name: str, damage: str) -> None:
    outbox.keep(config(12), OUTCOMES["complete"])
    path = outbox.folder / "trial-012" / name
    content = path.read_bytes()
    changed = content.replace(b"1", b"2").replace(b"of", b"or")
    assert changed != content
    match damage:
        case "gone":
            path.unlink()
        case "torn":
            path.write_bytes(content[:-5])
        case _:
            path.write_bytes(changed)
    with pytest.raises(WorkFailedError, match=r"outbox/digits/trial-012: got .*, expected a trial"):
        outbox.load(12)


def test_what_waits_is_told_with_its_place_its_reason_and_its_cure(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, "digits")
    assert waiting_in(tmp_path) == []
    outbox.note_away("http://…@host:5000", "refused")
    outbox.keep(config(3), outcome(3))
    (waiting,) = waiting_in(tmp_path)
    assert (waiting.study, waiting.trials, waiting.reason) == ("digits", (3,), "refused")
    told = str(waiting)
    for words in (
        f"1 trial of study 'digits' and its note wait in {outbox.folder}",
        "MLflow at http://…@host:5000 did not answer since 20",
        "`pipeline run` or `pipeline doctor --fix` delivers them",
    ):
        assert words in told
    outbox.close()
    assert waiting_in(tmp_path) == []


def test_a_note_that_is_damaged_still_tells_that_something_waits(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, "digits")
    outbox.note_away("http://host", "refused")
    (outbox.folder / "away.json").write_text("{")
    assert [waiting.address for waiting in waiting_in(tmp_path)] == ["unknown"]


def test_nothing_is_left_of_an_outcome_for_which_there_is_no_room(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkFailedError, match=r"nothing can be kept for it: .*No space left"):
        outbox.keep(config(12), OUTCOMES["complete"])
    assert outbox.numbers == []
