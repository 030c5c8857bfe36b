import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis import Comparison, Verdict, compare
from pipeline.config import TrialConfig, check_study
from pipeline.trial import (
    Curve,
    EpochScores,
    Facts,
    RecordedTrial,
    TrialOutcome,
    TrialRecord,
    TrialState,
)

FACTS = Facts(
    data_sha256="d" * 64,
    split_sha256="5" * 64,
    sources={"pipeline/trial.py": "a" * 64, "pipeline/learning/fit.py": "b" * 64},
    packages={"torch": "2.13.0", "numpy": "2.0"},
    python="3.11.2",
    processor="x86_64 avx512",
    threads=1,
    precision="32-true",
    device="cpu",
    project_version="0.1.0",
    project_commit=None,
    project_clean=None,
)
CHANGES: dict[str, dict[str, Any]] = {
    "data": {"data_sha256": "e" * 64},
    "code": {"sources": FACTS.sources | {"pipeline/trial.py": "c" * 64}},
    "package": {"packages": FACTS.packages | {"torch": "2.14.0"}},
    "Python": {"python": "3.12.0"},
    "thread count": {"threads": 2},
    "precision": {"precision": "bf16-mixed"},
    "device": {"device": "cuda"},
    "processor": {"processor": "aarch64"},
    "split": {"split_sha256": "6" * 64},
}
CAUSES = (
    *("data", "code", "package", "Python", "seed"),
    *("thread count", "precision", "device", "processor", "record"),
)
ORDER = (*CAUSES, "split", "epoch 2 val_loss", "weights")
OTHER_SEEDS = {"initialisation": 1, "dropout": 2, "order": 3, "split": 4}


def config() -> TrialConfig:
    space = {"depth": 1, "width": 8, "dropout": 0.5, "batch_size": 8, "learning_rate": 0.1}
    document = {
        "name": "small",
        "data": {"name": "digits"},
        "model": {"name": "mlp"},
        "space": space,
        "training": {"epochs": 3},
        "search": {"trials": 1},
    }
    study = check_study(document, "small.yaml")
    return TrialConfig(
        study=study.name,
        number=0,
        study_seed=0,
        data=study.data,
        model=study.model,
        training=study.training.of_trial({}),
        params=space | {"input_dropout": 0.0, "weight_decay": 0.0},
    )


def scores(epoch: int, val_loss: float, **changes: float) -> EpochScores:
    made = EpochScores(
        number=0,
        epoch=epoch,
        ended_at_ms=epoch,
        train_loss=0.5,
        train_accuracy=0.5,
        train_loss_no_dropout=0.5,
        val_loss=val_loss,
        val_accuracy=0.5,
        learning_rate=0.1,
        epoch_seconds=1.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


CURVE = (scores(1, 0.7), scores(2, 0.6), scores(3, 0.65))
OUTCOME = TrialOutcome(
    number=0, state=TrialState.COMPLETE, curve=CURVE, weights=b"weights", facts=FACTS
)


def compared(
    again: TrialOutcome,
    before: TrialOutcome = OUTCOME,
    *,
    curve: Curve | None = None,
    weights: bytes | None = b"as recorded",
    seeds: dict[str, int] | None = None,
    tagged: dict[str, str] | None = None,
) -> Comparison:
    record = TrialRecord.of(config(), before)
    if seeds is not None:
        record = record.model_copy(update={"seeds": seeds})
    original = RecordedTrial(
        tracking_uri="sqlite:///mlflow.db",
        run_id="1" * 32,
        run_name="trial-000",
        record=record,
        record_sha256="9" * 64,
        curve=tuple(before.curve if curve is None else curve),
        weights=before.weights if weights == b"as recorded" else weights,
        tags={"record_sha256": "9" * 64} | (tagged or {}),
    )
    return compare(original, again)


def with_loss(loss: float) -> TrialOutcome:
    return replace(OUTCOME, curve=(CURVE[0], scores(2, loss), CURVE[2]), weights=b"others")


def test_trial_trained_again_to_the_bit_is_identical() -> None:
    answer = compared(replace(OUTCOME, curve=tuple(replace(s, epoch_seconds=9.0) for s in CURVE)))
    assert (answer.verdict, answer.first_difference) == (Verdict.IDENTICAL, None)
    assert answer.differences == ()
    assert answer.epochs_compared == answer.epochs_identical == 3
    assert answer.weights_recorded == answer.weights_again == OUTCOME.weights_sha256


@pytest.mark.parametrize("name", CHANGES)
def test_trial_equal_to_the_bit_is_identical_and_yet_told_what_has_changed(name: str) -> None:
    again = replace(OUTCOME, facts=FACTS.model_copy(update=CHANGES[name]))
    answer = compared(again)
    assert answer.verdict is Verdict.IDENTICAL
    (change,) = answer.differences
    assert change.startswith(f"{name}: ")
    assert answer.first_difference == change


def test_pruned_trial_trained_as_far_without_its_rule_is_identical() -> None:
    before = replace(OUTCOME, state=TrialState.PRUNED, cause="asha: …")
    assert compared(OUTCOME, before).verdict is Verdict.IDENTICAL


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        pytest.param(math.nextafter(0.6, 1), Verdict.CLOSE, id="last bit"),
        pytest.param(0.605, Verdict.CLOSE, id="within 1 percent"),
        pytest.param(0.595, Verdict.CLOSE, id="below within 1 percent"),
        pytest.param(0.62, Verdict.DIFFERENT, id="beyond 1 percent"),
        pytest.param(math.nan, Verdict.DIFFERENT, id="not a number"),
        pytest.param(math.inf, Verdict.DIFFERENT, id="infinite"),
    ],
)
def test_verdict_follows_from_how_far_a_score_is_off(loss: float, verdict: Verdict) -> None:
    answer = compared(with_loss(loss))
    assert answer.verdict is verdict
    assert answer.first_difference == f"epoch 2 val_loss: 0.6 recorded, {loss!r} now"
    assert (answer.epochs_compared, answer.epochs_identical) == (3, 1)


def test_small_losses_are_close_within_a_thousandth() -> None:
    before = replace(OUTCOME, curve=(scores(1, 0.001, train_loss_no_dropout=0.001),))
    near = replace(OUTCOME, curve=(scores(1, 0.0019, train_loss_no_dropout=0.0019),))
    assert compared(near, before).verdict is Verdict.CLOSE


def test_weights_that_alone_differ_are_close_and_named() -> None:
    answer = compared(replace(OUTCOME, weights=b"others"))
    assert answer.verdict is Verdict.CLOSE
    assert str(answer.first_difference).startswith("weights: SHA-256 ")


@pytest.mark.parametrize("n_epochs", [0, 2, 4])
def test_other_number_of_epochs_is_different(n_epochs: int) -> None:
    again = replace(OUTCOME, curve=(*CURVE, scores(4, 0.9))[:n_epochs])
    answer = compared(again)
    assert answer.verdict is Verdict.DIFFERENT
    assert answer.first_difference == f"epochs: 3 recorded, {n_epochs} now"
    assert answer.epochs_compared == min(n_epochs, 3)


@pytest.mark.parametrize("first", range(len(ORDER)), ids=ORDER)
def test_causes_are_told_before_what_follows_from_them(first: int) -> None:
    told = ORDER[first:]
    update = {key: value for name in told for key, value in CHANGES.get(name, {}).items()}
    again = replace(with_loss(0.605), facts=FACTS.model_copy(update=update))
    if "epoch 2 val_loss" not in told:
        again = replace(again, curve=CURVE)
    seeds = OTHER_SEEDS if "seed" in told else None
    tagged = {"record_sha256": "8" * 64} if "record" in told else {}
    answer = compared(again, seeds=seeds, tagged=tagged)
    words = [difference.partition(": ")[0] for difference in answer.differences]
    assert tuple(dict.fromkeys(words)) == told


def test_sources_that_train_are_told_before_those_that_do_not_and_the_users_own_first() -> None:
    names = ("my_module.py", "pipeline/learning/fit.py", "pipeline/cli/render.py")
    then = FACTS.model_copy(update={"sources": dict.fromkeys(reversed(names), "a" * 64)})
    now = FACTS.model_copy(update={"sources": dict.fromkeys(reversed(names), "b" * 64)})
    answer = compared(replace(OUTCOME, facts=now), replace(OUTCOME, facts=then))
    assert [difference.split()[1] for difference in answer.differences] == list(names)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split_sha256": "6" * 64}, "split: SHA-256 5"),
        ({"sources": {"pipeline/trial.py": "a" * 64}}, "code: pipeline/learning/fit.py b"),
        ({"packages": {"torch": "2.13.0"}}, "package: numpy 2.0 recorded, absent now"),
        ({"python": "3.12.0"}, "Python: 3.11.2 recorded, 3.12.0 now"),
        ({"device": "cuda"}, "device: cpu recorded, cuda now"),
        ({"precision": "bf16-mixed"}, "precision: 32-true recorded, bf16-mixed now"),
    ],
    ids=["split", "source gone", "package gone", "python", "device", "precision"],
)
def test_first_difference_says_what_was_and_what_is(change: dict[str, Any], words: str) -> None:
    again = replace(with_loss(0.605), facts=FACTS.model_copy(update=change))
    assert str(compared(again).first_difference).startswith(words)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"weights": b"x"}, "weights: the file in the ledger has SHA-256 2d711642"),
        ({"weights": None}, "weights: the file in the ledger has SHA-256 None"),
        ({"curve": CURVE[:2]}, "curve: 2 epochs in the ledger, the record says 3"),
        (
            {"curve": (CURVE[0], scores(2, 0.6, val_accuracy=0.51), CURVE[2])},
            "curve: the ledger's points are not those",
        ),
        ({"seeds": OTHER_SEEDS}, "seed: initialisation 1 recorded, "),
        ({"seeds": config().seeds | {"more": 7}}, "seed: more 7 recorded, none now"),
        ({"tagged": {"weights_sha256": "f" * 64}}, "weights: the run's tag says SHA-256 ffff"),
        ({"tagged": {"record_sha256": "f" * 64}}, "record: record.json has SHA-256 9999"),
        ({"tagged": {"trial_state": "PRUNED"}}, "state: the run's tag says PRUNED, the record"),
    ],
    ids=[
        *("weights", "weights gone", "epoch gone", "point", "seeds", "more seeds"),
        *("tag of weights", "tag of record", "tag of state"),
    ],
)
def test_record_that_was_tampered_with_is_different(kept: dict[str, Any], words: str) -> None:
    answer = compared(OUTCOME, **kept)
    assert answer.verdict is Verdict.DIFFERENT
    assert str(answer.first_difference).startswith(words)


DIVERGED = replace(
    OUTCOME,
    state=TrialState.FAIL,
    cause="diverged: train_loss nan",
    curve=(CURVE[0], scores(2, math.nan, train_loss=math.nan)),
)


def test_epochs_that_are_no_numbers_equal_themselves() -> None:
    again = replace(DIVERGED, curve=(CURVE[0], scores(2, float("nan"), train_loss=float("nan"))))
    answer = compared(again, DIVERGED)
    assert (answer.verdict, answer.first_difference) == (Verdict.IDENTICAL, None)


def test_score_that_is_infinite_equals_what_the_ledger_cannot_hold() -> None:
    again = replace(DIVERGED, curve=(CURVE[0], scores(2, math.inf, train_loss=math.inf)))
    assert compared(again, DIVERGED).verdict is Verdict.IDENTICAL


@pytest.mark.parametrize(
    ("before", "again", "words"),
    [
        (
            DIVERGED,
            replace(DIVERGED, cause="out of memory"),
            "cause: 'diverged: train_loss nan' recorded, 'out of memory' now",
        ),
        (
            DIVERGED,
            replace(DIVERGED, state=TrialState.COMPLETE, cause=None),
            "state: FAIL recorded, COMPLETE now (diverged: train_loss nan)",
        ),
        (
            OUTCOME,
            replace(OUTCOME, state=TrialState.FAIL, cause="disk full"),
            "state: COMPLETE recorded, FAIL now (disk full)",
        ),
    ],
    ids=["other cause", "no failure", "new failure"],
)
def test_trial_that_ends_otherwise_is_different_though_each_score_is_equal(
    before: TrialOutcome, again: TrialOutcome, words: str
) -> None:
    answer = compared(again, before)
    assert (answer.verdict, answer.first_difference) == (Verdict.DIFFERENT, words)


def test_trial_whose_worker_is_lost_is_compared_without_facts() -> None:
    lost = TrialOutcome(number=0, state=TrialState.FAIL, cause="worker lost", curve=CURVE[:1])
    assert compared(lost, lost).verdict is Verdict.IDENTICAL
    assert compared(lost).first_difference == "epochs: 3 recorded, 1 now"


@given(losses=st.lists(st.floats(), min_size=1, max_size=3))
def test_every_curve_is_identical_to_itself(losses: list[float]) -> None:
    curve = tuple(scores(epoch, loss) for epoch, loss in enumerate(losses, start=1))
    outcome = replace(OUTCOME, curve=curve)
    assert compared(outcome, outcome).verdict is Verdict.IDENTICAL
