"""Two ledgers' records held against each other: what is said, and what nobody is accused of."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.analysis import (
    as_recorded,
    audit,
    can_take,
    known_failure,
    known_outcome,
    refusal,
)
from pipeline.config import Finalist
from pipeline.trial import (
    Curve,
    RunSnapshot,
    StudyRuns,
    TrialOutcome,
    TrialRecord,
    TrialRow,
    TrialState,
    sha256_of,
)
from tests.tracking.builders import config, curve, outcome, scores

STATUS = {TrialState.FAIL: "FAILED"}


def _row(ended: TrialOutcome) -> TrialRow:
    return TrialRow(
        number=ended.number,
        state=ended.state,
        value=ended.value,
        best_epoch=ended.best.epoch if ended.best else None,
        params=dict(config(ended.number).params),
        run_id=f"run-{ended.number}",
        weights_sha256=ended.weights_sha256,
        cause=ended.cause,
    )


def _stored(ended: TrialOutcome) -> TrialRow:
    return replace(_row(ended), scores=ended.scores)


def _as_mlflow_tells(ended: Curve) -> Curve:
    """What is not finite is not there, and read back as NaN."""
    return tuple(
        replace(one, train_loss_no_dropout=math.nan)
        if math.isinf(one.train_loss_no_dropout)
        else one
        for one in ended
    )


def _files(ended: TrialOutcome) -> dict[str, bytes]:
    weights = {} if ended.weights is None else {"weights.safetensors": ended.weights}
    return {"record.json": b"{}", **weights, **ended.pictures}


def _kept(ended: TrialOutcome, **changes: Any) -> RunSnapshot:
    points = {
        (name, one.epoch): (value,)
        for one in ended.curve
        for name, value in one.metrics.items()
        if math.isfinite(value)
    }
    points |= {("n_parameters", 0): (ended.n_parameters,)}
    if ended.curve:
        points |= {("dropout_mean", 0): (0.1 + 0.2,)}
    if ended.best:
        points |= {("best_epoch", 0): (ended.best.epoch,)}
        points |= {("best_val_loss", 0): (ended.best.val_loss,)}
    given: dict[str, Any] = {
        "row": _row(ended),
        "status": STATUS.get(ended.state, "FINISHED"),
        "is_below": True,
        "record": TrialRecord.of(config(ended.number), ended),
        "fault": None,
        "n_metrics": len({name for name, _ in points}),
        "points": points,
        "curve": _as_mlflow_tells(ended.curve),
        "files": {name: str(sha256_of(content)) for name, content in _files(ended).items()},
    }
    return RunSnapshot(**given | changes)


def _study(*runs: RunSnapshot) -> StudyRuns:
    return StudyRuns(run_id="study", status="FINISHED", trials=runs)


def _kinds(stored: Iterable[TrialRow], *runs: RunSnapshot) -> list[tuple[str, int | None]]:
    found = audit("small", list(stored), _study(*runs))
    return [(one.kind.value, one.trial) for one in found]


DIVERGED = (scores(0, 1), scores(0, 2, val_loss=math.nan))
UNACCUSED = {
    "complete": outcome(0),
    "pruned": outcome(0, TrialState.PRUNED, cause="asha: too high"),
    "failed at once": outcome(0, TrialState.FAIL, cause="x", curve=(), weights=None, facts=None),
    "diverged": outcome(0, TrialState.FAIL, cause="diverged", curve=DIVERGED),
    "without accuracy": outcome(
        0, curve=[replace(one, val_accuracy=math.nan, train_accuracy=math.nan) for one in curve(0)]
    ),
    "infinite without dropout": outcome(
        0, curve=[replace(one, train_loss_no_dropout=math.inf) for one in curve(0)]
    ),
    "autoencoder": outcome(0, pictures={"weight_map.png": b"png"}),
}


@pytest.mark.parametrize("ended", UNACCUSED.values(), ids=UNACCUSED.keys())
def test_sound_trial_is_not_accused(ended: TrialOutcome) -> None:
    assert _kinds([_stored(ended)], _kept(ended)) == []


def test_mean_rate_that_an_earlier_version_did_not_log_is_not_missed_and_a_wrong_one_is_told() -> (
    None
):
    kept, point = _kept(outcome(0)), ("dropout_mean", 0)
    without = {name: values for name, values in kept.points.items() if name != point}
    assert _kinds([_stored(outcome(0))], replace(kept, points=without)) == []
    wrong = replace(kept, points={**kept.points, point: (0.9,)})
    assert _kinds([_stored(outcome(0))], wrong) == [("curve-differs", 0)]


@pytest.mark.parametrize("ended", UNACCUSED.values(), ids=UNACCUSED.keys())
def test_sound_trial_is_known_from_the_ledgers(ended: TrialOutcome) -> None:
    known = known_outcome(_stored(ended), _kept(ended), _files(ended))
    assert known is not None
    assert (known.weights, known.pictures, known.facts) == (
        ended.weights,
        ended.pictures,
        ended.facts,
    )
    assert repr(known.curve) == repr(tuple(ended.curve))
    assert can_take(_kept(ended), _stored(ended), known)


def test_picture_that_the_other_trials_have_is_missed() -> None:
    drawn = [outcome(number, pictures={"weight_map.png": b"png"}) for number in (0, 1)]
    files = dict.fromkeys(("record.json",), "x") | {
        "weights.safetensors": str(drawn[1].weights_sha256)
    }
    kept = [_kept(drawn[0]), _kept(drawn[1], files=files)]
    assert _kinds(map(_stored, drawn), *kept) == [("missing-artifacts", 1)]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"params": {"depth": 9}}, "state-differs"),
        ({"value": 0.1}, "state-differs"),
        ({"best_epoch": 3}, "state-differs"),
        ({"run_id": "another"}, "state-differs"),
        ({"cause": "none was"}, "state-differs"),
        ({"finalist": Finalist(setting_of=3, first=0, last=2)}, "state-differs"),
        ({"state": TrialState.RUNNING}, "running-without-driver"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_row_that_is_not_optuna_s_is_told(changes: dict[str, Any], kind: str) -> None:
    kept = _kept(outcome(0))
    assert _kinds([_stored(outcome(0))], replace(kept, row=replace(kept.row, **changes))) == [
        (kind, 0)
    ]


def test_finalist_whose_record_or_run_does_not_say_so_is_told() -> None:
    mark = Finalist(setting_of=3, first=0, last=2)
    kept, stored = _kept(outcome(0)), replace(_stored(outcome(0)), finalist=mark)
    row = replace(kept.row, finalist=mark)
    trained = config(0).model_copy(update={"finalist": mark})
    record = TrialRecord.of(trained, outcome(0))
    assert _kinds([stored], replace(kept, row=row)) == [("damaged-record", 0)]
    assert _kinds([stored], replace(kept, record=record)) == [("state-differs", 0)]
    assert _kinds([stored], replace(kept, row=row, record=record)) == []


def test_parameter_that_mlflow_cut_is_not_told() -> None:
    stored, kept = _stored(outcome(0)), _kept(outcome(0))
    long = replace(stored, params={"words": "x" * 999})
    cut = replace(kept.row, params={"words": "x" * 250})
    record = kept.record and kept.record.model_copy(
        update={"trial": config(0).model_copy(update={"params": {"words": "x" * 999}})}
    )
    assert _kinds([long], replace(kept, row=cut, record=record)) == []


def test_point_of_a_failed_trial_is_missed_before_its_last_epoch() -> None:
    ended = UNACCUSED["diverged"]
    for epoch, expected in ((1, [("missing-steps", 0)]), (2, [])):
        kept = _kept(ended)
        points = {
            point: held for point, held in kept.points.items() if point != ("train_loss", epoch)
        }
        lost = [
            replace(one, train_loss=math.nan) if one.epoch == epoch else one for one in kept.curve
        ]
        found = _kinds([_stored(ended)], replace(kept, points=points, curve=tuple(lost)))
        assert found == expected


def test_nothing_is_said_of_trials_that_a_driver_trains() -> None:
    waiting = _stored(outcome(0))
    stored = replace(waiting, state=TrialState.RUNNING)
    kept = StudyRuns(run_id="study", status="RUNNING", trials=[_kept(outcome(1))])
    assert audit("small", [stored], kept, is_running=True) == []
    assert len(audit("small", [stored], kept)) == 3


def test_waiting_trial_needs_no_run() -> None:
    stored = _stored(outcome(0))
    assert _kinds([replace(stored, state=TrialState.WAITING)]) == []


CURVES_OF_ANOTHER = [replace(one, train_loss=9.0) for one in curve(0)]


@pytest.mark.parametrize(
    ("again", "reason"),
    [
        (outcome(0, TrialState.FAIL, cause="no memory"), r"it ends FAIL \(no memory\)"),
        (outcome(0, curve=curve(0, 2)), "its scores are not those"),
        (outcome(0, weights=b"other"), "its weights have SHA-256"),
        (outcome(0, curve=CURVES_OF_ANOTHER), "its curve is not the one"),
    ],
    ids=["failed", "shorter", "weights", "curve"],
)
def test_training_that_comes_out_otherwise_is_refused(again: TrialOutcome, reason: str) -> None:
    ended = outcome(0)
    with pytest.raises(ValueError, match=reason):
        raise ValueError(refusal(_stored(ended), _kept(ended), again))


def test_same_training_is_accepted_with_the_end_and_the_facts_that_were() -> None:
    ended = outcome(0, TrialState.PRUNED, cause="asha: too high")
    assert ended.facts is not None
    again = outcome(0, facts=ended.facts.model_copy(update={"python": "9.9"}))
    assert refusal(_stored(ended), _kept(ended), again) is None
    assert as_recorded(_stored(ended), _kept(ended), again) == ended
    without = as_recorded(_stored(ended), None, again)
    assert without.facts == again.facts


def test_failure_that_optuna_alone_knows_is_sound_when_it_is_written() -> None:
    ended = UNACCUSED["diverged"]
    known = known_failure(_stored(ended), now_ms=7)
    stored = _stored(ended)
    bare = replace(stored, weights_sha256=None)
    assert _kinds([bare], _kept(known)) == []


def test_run_with_a_point_of_another_value_cannot_take_the_outcome() -> None:
    kept = _kept(outcome(0))
    for point, values in {("val_loss", 1): (9.0,), ("train_loss", 1): (1 / 3, 1 / 3)}.items():
        other = replace(kept, points={**kept.points, point: values})
        assert not can_take(other, _stored(outcome(0)), outcome(0))
