"""What a suggestion costs after so many trials, without the study that leads there.

``python -m benchmarks.simulate.suggestions`` tells a sampler made-up outcomes of random settings,
every second of them stopped as the default rule stops it, and asks for the trials of a block. The
first suggestion of a block pays for the model, the others share it.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from statistics import fmean, median
from typing import Final

import numpy as np

from benchmarks.simulate.learning import EPOCHS, Formula
from benchmarks.simulate.measures import line_of
from pipeline.config import Params
from pipeline.search.sampling.encoding import Encoding
from pipeline.search.sampling.suggest import Suggester, make_suggester
from pipeline.trial import TrialRow, TrialState

GATE_EPOCH: Final = 5
"""There the default rule stops every second trial."""
CHANCE: Final = random.Random(0)  # noqa: S311 - no secret


def outcome(number: int, params: Params) -> TrialRow:
    """How a made-up trial ends."""
    floor, is_stopped = CHANCE.uniform(0.2, 1.0), number % 2 == 1
    n_epochs = GATE_EPOCH if is_stopped else EPOCHS
    losses = tuple(floor + 0.7**epoch for epoch in range(1, n_epochs + 1))
    return TrialRow(
        number=number,
        state=TrialState.PRUNED if is_stopped else TrialState.COMPLETE,
        value=None if is_stopped else losses[-1],
        best_epoch=None,
        params=params,
        run_id=None,
        weights_sha256=None,
        cause=None,
        scores=losses,
    )


class Growing:
    """A suggester that knows more and more trials.

    Args:
        sampler: As in a study file.
        block: Trials that are suggested together.
    """

    def __init__(self, sampler: str, *, block: int) -> None:
        study = Formula().study({"trials": 100_000, "sampler": sampler, "block": block})
        self._encoding, self._block, self._n_trials = Encoding(study.space), block, 0
        self._suggester: Suggester = make_suggester(study)
        self._rng = np.random.default_rng(0)

    def learn(self, n_trials: int) -> None:
        """Tell outcomes until so many trials are known."""
        points = self._rng.random((n_trials - self._n_trials, self._encoding.n_columns))
        for params in self._encoding.decode(self._encoding.nearest(points)):
            self._suggester.restore(self._n_trials, params)
            self._suggester.tell(outcome(self._n_trials, params))
            self._n_trials += 1

    def ask(self) -> list[float]:
        """Ask for a block, and say how many milliseconds of the processor each trial took."""
        asked, costs = [], []
        for number in range(self._n_trials, self._n_trials + self._block):
            began = time.process_time()
            asked.append(self._suggester.ask(number))
            costs.append(1_000 * (time.process_time() - began))
        for params in asked:
            self._suggester.tell(outcome(self._n_trials, params))
            self._n_trials += 1
        return costs


def main(words: Sequence[str]) -> int:
    """Measure sampler after sampler."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulate.suggestions", description=__doc__
    )
    parser.add_argument("--samplers", nargs="+", default=["auto", "tpe"], metavar="NAME")
    parser.add_argument("--at", nargs="+", type=int, default=[100, 1_000, 10_000], metavar="N")
    parser.add_argument("--block", type=int, default=8, metavar="N")
    options = parser.parse_args(words)
    for sampler in options.samplers:
        growing, means = Growing(sampler, block=options.block), []
        for n_trials in sorted(options.at):
            growing.learn(n_trials)
            costs = growing.ask()
            means.append((n_trials, fmean(costs)))
            print(
                f"{sampler}, {n_trials:,} trials known: median {median(costs):.0f} ms, "
                f"first of a block {costs[0]:.0f} ms, mean {fmean(costs):.0f} ms",
                flush=True,
            )
        print(f"{sampler}: {line_of(means[-2:])} in the mean")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
