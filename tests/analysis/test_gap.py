"""What is said of the gap follows from the numbers alone."""

import math
from dataclasses import replace
from typing import Any

import pytest

from pipeline.analysis.gap import at_best, by_epoch, describe, underfit
from pipeline.config import Objective
from pipeline.trial import Curve, TrialRow, TrialState
from pipeline.trial.dependence import Dependence
from tests.fakes import epoch_scores
from tests.trial.test_effects import effect

RATES = (0.0, 0.1, 0.2, 0.3, 0.4)
WORSE_ABOVE: dict[str, Any] = {
    "losses": (0.001, 0.0, 0.0, 0.05, 0.1),
    "is_as_good": (True, True, True, False, False),
}


def dependence(
    *means: float, sd: float = 0.005, parameter: str = "dropout_1", reference: int = 0
) -> Dependence:
    """A score along a rate."""
    return Dependence(
        parameter=parameter,
        values=RATES,
        means=means,
        sds=(sd,) * len(means),
        rises=tuple(mean - means[reference] for mean in means),
        rise_sds=tuple(sd * (index != reference) for index in range(len(means))),
        is_ordered=True,
    )


def curve(number: int, *gaps: float) -> Curve:
    """A trial whose training loss without dropout is 0.5 in every epoch."""
    return tuple(
        replace(epoch_scores(number, epoch, 0.5 + gap), train_loss_no_dropout=0.5)
        for epoch, gap in enumerate(gaps, start=1)
    )


def row(number: int, best_epoch: int, state: TrialState = TrialState.COMPLETE) -> TrialRow:
    """A trial that is best at an epoch."""
    return TrialRow(
        number=number,
        state=state,
        value=0.5,
        best_epoch=best_epoch,
        params={},
        run_id=None,
        weights_sha256=None,
        cause=None,
    )


def said(*gap: float, sd: float = 0.005) -> tuple[str, ...]:
    """The sentences of a gap along the first layer's rate."""
    return describe([dependence(*gap, sd=sd)], [], (), [effect()]).sentences


def test_a_gap_that_falls_along_a_rate_is_said_to() -> None:
    words = "the gap falls from 0.1 to 0.02 as the dropout of layer 1 goes from 0 to 0.4"
    assert said(0.1, 0.08, 0.06, 0.03, 0.02) == (words,)


def test_a_gap_that_grows_is_said_to() -> None:
    assert said(0.02, 0.03, 0.05, 0.08, 0.1)[0].startswith("the gap grows from 0.02 to 0.1 as")


@pytest.mark.parametrize(
    "gap",
    [(0.1, 0.1, 0.1, 0.1, 0.1), (0.1, 0.02, 0.01, 0.02, 0.08), (0.1, 0.098, 0.097, 0.096, 0.095)],
    ids=["flat", "valley", "within noise"],
)
def test_nothing_is_said_of_a_gap_that_does_not_fall_or_grow(gap: tuple[float, ...]) -> None:
    assert said(*gap) == ()


def test_a_rate_whose_training_loss_makes_what_it_costs_underfits() -> None:
    found = underfit(effect(**WORSE_ABOVE), dependence(0.1, 0.1, 0.11, 0.14, 0.19, reference=1))
    assert found == (
        "above 0.2 layer 1 underfits: the training loss without dropout rises, too (by 0.09 at 0.4)"
    )


@pytest.mark.parametrize(
    ("changes", "losses"),
    [
        (WORSE_ABOVE, (0.1, 0.1, 0.1, 0.1, 0.1)),
        (WORSE_ABOVE, (0.1, 0.1, 0.1, 0.102, 0.2)),
        (WORSE_ABOVE | {"verdict": "unknown"}, (0.1, 0.1, 0.11, 0.14, 0.19)),
        ({"is_as_good": (False, True, True, True, True)}, (0.1, 0.1, 0.11, 0.14, 0.19)),
        (
            WORSE_ABOVE | {"objective": Objective(metric="val_accuracy", direction="maximize")},
            (0.1, 0.1, 0.11, 0.14, 0.19),
        ),
    ],
    ids=["trains as well", "not at first", "not told to be worse", "none above", "other measure"],
)
def test_what_cannot_be_told_to_underfit_is_not_said_to(
    changes: dict[str, Any], losses: tuple[float, ...]
) -> None:
    assert underfit(effect(**changes), dependence(*losses, reference=1)) is None


def test_parameters_that_are_no_rates_do_not_underfit() -> None:
    found = underfit(effect("width", **WORSE_ABOVE), dependence(0.1, 0.1, 0.11, 0.14, 0.19))
    assert found is None


def test_the_gap_of_a_trial_is_that_of_its_best_epoch() -> None:
    curves = {0: curve(0, 0.3, 0.1, 0.2), 1: curve(1, math.nan), 2: curve(2, 0.4), 3: ()}
    rows = [row(0, 2), row(1, 1), row(2, 1, TrialState.PRUNED), row(3, 1)]
    found = at_best(rows, curves)
    assert found.gaps == {0: pytest.approx(0.1)}
    assert found.losses == {0: 0.5}


def test_the_gap_by_epoch_is_of_the_same_trials_at_each() -> None:
    curves = [curve(n, 0.1, 0.2 + 0.01 * n, 0.3) for n in range(3)] + [curve(9, 5.0)]
    first, second, third = by_epoch(curves)
    assert (first.mean, second.mean, third.mean) == pytest.approx((0.1, 0.21, 0.3))
    half = 4.3027 * 0.01 / math.sqrt(3)  # Student's t with two degrees of freedom
    assert (second.low, second.high) == pytest.approx((0.21 - half, 0.21 + half), rel=1e-4)
    words = "the gap grows from 0.1 after epoch 1 to 0.3 after epoch 3"
    assert describe([], [], (first, second, third), []).sentences == (words,)
    assert describe([], [], (first, first), []).sentences == ()


@pytest.mark.parametrize(
    "curves",
    [[], [curve(0, 0.1)], [curve(n, math.nan) for n in range(4)]],
    ids=["none", "one", "not measured"],
)
def test_few_curves_have_no_gap_by_epoch(curves: list[Curve]) -> None:
    assert by_epoch(curves) == ()


def test_the_gap_as_json_has_intervals() -> None:
    found = describe([dependence(0.1, 0.08, 0.06, 0.03, 0.02)], [], (), [effect()]).as_json()
    assert found["parameters"]["dropout_1"]["low"][0] == pytest.approx(0.1 - 1.96 * 0.005)
    assert found["epochs"] == []
    assert len(found["words"]) == 1
