"""What the turns of both engines come to."""

import pytest

from benchmarks.overhead import Turn, summary, table

TRIAL = {"number": 0, "state": "COMPLETE", "value": 0.5, "params": {}, "weights_sha256": "a"}


def turn(local: float, ray: float, *, processor: dict[str, float] | None = None) -> Turn:
    return Turn(
        seconds={"local": local, "ray": ray},
        start_up={"local": 4.0, "ray": 9.0},
        processor=processor or {},
        ledger={},
    )


def test_ratio_is_rays_seconds_by_those_of_local_processes() -> None:
    assert turn(20.0, 21.0).ratio == pytest.approx(1.05)


def test_summary_takes_the_median_of_the_turns_ratios_and_tells_their_range() -> None:
    assert summary([turn(20.0, 21.0), turn(40.0, 40.0), turn(10.0, 12.0)]) == (
        "3 turns: local 20.0 s, Ray 21.0 s; ratio 1.050 (1.000 to 1.200)"
    )


def test_summary_tells_processor_seconds_where_every_turn_has_them() -> None:
    counted = turn(20.0, 30.0, processor={"local": 40.0, "ray": 42.0})
    assert summary([counted]).endswith("of processor seconds 1.050 (1.050 to 1.050)")
    assert "processor" not in summary([counted, turn(20.0, 21.0)])


def test_table_holds_what_no_engine_may_change_and_leaves_runs_out() -> None:
    assert table([TRIAL | {"run_id": "one"}]) == table([TRIAL | {"run_id": "another"}])
    assert table([TRIAL]) != table([TRIAL | {"value": 0.25}])
