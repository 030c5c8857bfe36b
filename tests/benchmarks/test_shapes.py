"""What sharing shapes costs is told in pairs: the same seeds, searched both ways."""

import pytest

from benchmarks.shapes import FREE, Ends, summed_up


def test_ends_tell_the_best_of_the_first_trials_and_of_the_first_seconds() -> None:
    ends = Ends(values={0: (4.0, 0.3), 1: (1.0, 0.5), 2: (9.0, 0.2)})
    assert ends.best_of(2) == 0.3
    assert ends.best_of(3) == 0.2
    assert ends.best_within(3.0) == 0.5


def test_a_search_is_summed_up_by_its_differences_to_the_free_one() -> None:
    def found(value: float) -> dict[str, float]:
        return {"seconds": 1.0, "best_of_equal_trials": value, "best_at_equal_seconds": value}

    seeds = [{FREE: found(0.2), "other": found(0.3)}, {FREE: found(0.4), "other": found(0.7)}]
    line = summed_up("other", seeds)
    assert line.equal_trials == pytest.approx(0.5)
    assert line.equal_trials_worse == pytest.approx((0.2, 0.1))
    assert str(line).startswith("| other | 1.0 | 0.5000 | +0.2000 ± 0.1000 |")
