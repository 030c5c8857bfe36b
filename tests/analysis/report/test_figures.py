"""What the figures show is what was measured, and what is left out is said."""

import math
from dataclasses import replace

import pytest

from pipeline.analysis.report.curve_figures import MOST_CURVES, curve_charts, thinned
from pipeline.analysis.report.effect_figures import effect_charts, importance_chart
from pipeline.analysis.report.gap_figures import gap_charts
from pipeline.analysis.report.history_figures import history_charts
from pipeline.analysis.report.leaderboard import leaderboard
from pipeline.analysis.report.setting_figures import ABSENT, setting_chart
from pipeline.analysis.report.theme import drawn, focus
from pipeline.config import mean_dropout
from pipeline.trial import TrialState
from pipeline.trial.effects import NORMAL
from tests.analysis.report.builders import content, curve, effect, finalists, study, summary, table

COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED


def test_thinning_keeps_the_best_and_the_worst() -> None:
    given = content([COMPLETE] * 500)
    kept = thinned(given, given.rows)
    values = [row.value for row in given.rows if row.value is not None]
    assert len(kept) == MOST_CURVES
    assert kept[0].value == min(values)
    assert kept[-1].value == max(values)


def test_the_best_curve_is_drawn_whole_and_above_the_others() -> None:
    given = content()
    validation = curve_charts(given)[0]
    best = validation.figure.data[-1]
    assert best.name == f"best: trial {given.best.number}" if given.best else ""
    expected = [one.val_loss for one in given.curves[0]]
    assert list(best.y)[:-1] == expected
    assert list(best.x)[:-1] == [1, 2, 3, 4, 5, 6]


def test_stopped_trials_end_in_a_cross() -> None:
    stopped = next(one for one in curve_charts(content())[0].figure.data if "stopped" in one.name)
    ends = [size for size in stopped.marker.size if size]
    assert len(ends) == 5
    assert stopped.marker.symbol == "x"


def test_a_score_that_was_not_measured_has_no_chart() -> None:
    rows, curves = table([COMPLETE] * 3, study().objective)
    nothing = {
        number: tuple(replace(one, train_loss_no_dropout=math.nan) for one in found)
        for number, found in curves.items()
    }
    given = content(rows=rows, curves=nothing)
    assert [chart.title for chart in curve_charts(given)] == ["Validation loss"]
    assert gap_charts(given) == []


def test_effects_are_drawn_with_their_bands_on_one_scale() -> None:
    charts = effect_charts(content())
    low, high, line = charts[0].figure.data
    told = effect("dropout_1")
    assert list(line.y) == list(told.losses)
    assert list(high.y) == [x + NORMAL * sd for x, sd in zip(told.losses, told.sds, strict=True)]
    assert list(low.y) == [x - NORMAL * sd for x, sd in zip(told.losses, told.sds, strict=True)]
    assert len({chart.figure.layout.yaxis.range for chart in charts}) == 1
    assert list(line.marker.symbol[:4]) == ["circle", "circle", "circle", "circle-open"]


def test_optunas_importance_is_drawn_where_it_is_known() -> None:
    chart = importance_chart(content())
    assert chart is not None
    assert len(chart.figure.data) == 2
    alone = importance_chart(content(summary=summary(effects=(effect(),))))
    assert alone is not None
    assert len(alone.figure.data) == 1


def test_history_marks_the_first_design_and_leaves_finalists_out_of_the_best_so_far() -> None:
    rows, curves = table([COMPLETE] * 12, study().objective)
    again = [replace(row, value=0.01, scores=(0.01,)) for row in finalists(rows, 3, 12)]
    by_trials, by_epochs, by_seconds = history_charts(content(rows=[*rows, *again], curves=curves))
    (shade,) = by_trials.figure.layout.shapes
    assert (shade.x0, shade.x1) == (0, 8)
    best = by_trials.figure.data[-1]
    assert list(best.y) == [min(row.value or 9.9 for row in rows)] * 13  # trial 0 is the best
    assert list(by_epochs.figure.data[-1].x)[:3] == [6, 12, 18]
    assert list(by_seconds.figure.data[-1].x)[:3] == [6.0, 16.0, 26.0]


def test_a_pause_between_runs_is_no_part_of_the_seconds_and_is_said() -> None:
    rows, curves = table([COMPLETE] * 3, study().objective)
    late = tuple(replace(one, ended_at_ms=one.ended_at_ms + 86_400_000) for one in curves[2])
    chart = history_charts(content(rows=rows, curves=curves | {2: late}))[2]
    assert list(chart.figure.data[-1].x)[:3] == [6.0, 16.0, 21.0]
    assert "Pauses of 86,405 seconds" in chart.caption


def test_a_gap_is_that_of_the_best_epoch() -> None:
    given = content()
    chart = gap_charts(given)[0]
    dots = chart.figure.data[0]
    assert dots.y[0] == pytest.approx(given.curves[0][-1].generalization_gap)
    names = [button.label for button in chart.figure.layout.updatemenus[0].buttons]
    assert names == [
        "mean of the hidden layers",
        "input_dropout",
        "dropout_1",
        "dropout_2",
        "dropout_3",
    ]
    moved = chart.figure.layout.updatemenus[0].buttons[4].args[0]["x"][0]
    assert [moved[n] is None for n in range(3)] == [True, True, False]


def test_mean_dropout_is_of_hidden_layers_and_blocks_alone() -> None:
    assert mean_dropout({"input_dropout": 0.9, "block_dropout_1": 0.1, "dropout_1": 0.3}) == 0.2
    assert mean_dropout({"input_dropout": 0.9}) is None


def test_parallel_lines_run_below_the_axes_of_layers_that_a_network_does_not_have() -> None:
    given = content([COMPLETE] * 3)
    chart = setting_chart(given)
    assert chart is not None
    best = chart.figure.data[-1]
    depth_1 = dict(zip(chart.figure.layout.xaxis.ticktext, best.y, strict=False))
    assert depth_1["dropout_2"] == depth_1["dropout_3"] == ABSENT
    assert 0 <= depth_1["dropout_1"] <= 1


@pytest.mark.parametrize(
    ("values", "is_maximized", "outside"),
    [
        ([1.0] * 20, False, 0),
        ([*range(1, 20), 500.0], False, 2),
        ([0.1, *(0.8 + n / 100 for n in range(20))], True, 2),
    ],
)
def test_focus_counts_what_it_leaves_outside(
    values: list[float], outside: int, *, is_maximized: bool
) -> None:
    assert focus(values, is_maximized=is_maximized)[1] == outside


def test_figures_have_no_number_that_json_has_not() -> None:
    rows, curves = table([COMPLETE] * 3, study().objective)
    broken = tuple(replace(one, val_loss=math.inf) for one in curve(1, study().objective))
    for chart in curve_charts(content(rows=rows, curves=curves | {1: broken})):
        assert "inf" not in repr(drawn(chart)).lower()


def test_leaderboard_lists_each_setting_once_the_stopped_after_the_complete() -> None:
    rows, curves = table([COMPLETE] * 12, study().objective)
    given = content(rows=[*rows, *finalists(rows, 3, 12)], curves=curves)
    table_ = leaderboard(given)
    lines = [*table_.first, *table_.others]
    assert lines[0].note == "mean of 3 new seeds (trials 12, 13, 14)"
    assert len(lines) == 12
    usual = leaderboard(content())
    states = [line.state for line in (*usual.first, *usual.others)]
    assert states == ["complete"] * 18 + ["stopped"] * 5 + ["failed"]
    assert usual.others[6].value.startswith("(0.")
    assert usual.fixed == "batch_size 32"
