"""The comparison of studies that begin with an earlier one's outcomes."""

from collections.abc import Sequence

import pytest

from benchmarks.search import plan
from benchmarks.search.simulation import Noise
from benchmarks.search.studies import StudyKey
from benchmarks.search.surrogate import TASKS, OwnTable
from benchmarks.search.warm import SOURCES, Begun, in_reverse, main, parser
from pipeline.trial import TakenOutcome, WarmStart


class Brief(OwnTable):
    """The table's model, with studies of eight whole trials."""

    @property
    def budgets(self) -> Sequence[int]:
        """One."""
        return [160]


def test_values_in_reverse_order_are_those_of_other_settings() -> None:
    outcomes = tuple(
        TakenOutcome(trial=n, params={"depth": n}, value=value, doubt=0.0)
        for n, value in enumerate((0.3, 0.1, 0.2, 0.9))
    )
    turned = in_reverse(WarmStart(study="x", outcomes=outcomes)).outcomes
    values = {outcome.trial: outcome.value for outcome in turned}
    assert values == {0: 0.2, 1: 0.9, 2: 0.3, 3: 0.1}


@pytest.mark.slow
def test_sources_give_other_studies_and_the_same_one_again() -> None:
    studies = Begun(Brief.read(), TASKS, Noise(0.0, 0.0))
    found = [studies.regret(StudyKey(source, TASKS[0], 1)).regrets for source in SOURCES]
    assert len({tuple(regrets) for regrets in found}) > 2, "two may choose one setting"
    assert studies.regret(StudyKey("same", TASKS[0], 1)).regrets == found[SOURCES.index("same")]


def test_seeds_of_the_search_benchmark_are_the_default_and_the_earlier_study_has_another() -> None:
    assert parser().parse_args([]).seeds == plan.LCBENCH_SEEDS
    assert not {seed + plan.EARLIER_SEED for seed in plan.LCBENCH_SEEDS} & set(plan.LCBENCH_SEEDS)


def test_unknown_source_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--sources", "better"])
    assert "invalid choice: 'better'" in capsys.readouterr().err
