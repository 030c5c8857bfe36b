"""What the comparison of searches measures, fixed before it runs: policies, seeds, yardstick.

A change here is a new plan: results measured before it are no evidence for what it decides.
"""

from typing import Final

SEEDS: Final = tuple(range(101, 113))
"""Of the live studies. A study's seed sets its split, the order of its batches, and its sampler."""
NEW_SEEDS: Final = tuple(range(113, 125))
"""Of those that decide on the choice by mean (``BY_MEAN``), which was found on ``SEEDS``."""
BUDGETS: Final = (100, 200, 400)
"""Epochs after which each study is asked for the setting that it would choose."""
LARGEST_BUDGET: Final = 800
"""A study may be run so long (``--budget``); it is then asked after so many epochs as well."""

PEERS: Final = ("random", "tpe", "tpe-median", "tpe-asha")
"""What a user could pick instead, in the order in which they are run: see ``policies``."""
OURS: Final = "auto"
"""This project with ``sampler: auto`` and ``stopping: auto``."""
MEAN_OF: Final = 5
"""Our studies are also asked for the trial with the lowest mean of so many of its epochs."""
BY_MEAN: Final = f"{OURS}-mean-of-{MEAN_OF}"
"""What they are called then."""

SPACES: Final = ("digits-cnn", "mnist-5k-mlp", "fashion-5k-mlp")
"""In the order in which they are run, the cheapest first: see ``spaces``."""
EPOCHS: Final = 20
PATIENCE: Final = 5

OTHER_SPLIT: Final = 100_000
"""Added to a study's seed where its choices are trained again."""
REPEATS: Final = 5
"""New seeds of each choice; its score is the mean of their lowest losses."""

SIMULATED_PEERS: Final = (
    *("random", "tpe", "tpe-median", "gp", "tpe-asha", "asha-promoting"),
    *("smac", "syne-asha", "syne-cqr", "botorch"),
)
"""Where the losses come from a model: see ``peers``."""

LCBENCH_BUDGETS: Final = (5, 10, 20, 40, 60)
"""On LCBench, in whole trials."""
LCBENCH_SEEDS: Final = (201, 202, 203)
"""Tables at even places of ``config_space.json``'s list (the first is at place 0) are for
development; those at odd places decide, and nothing is tuned on them."""

WARM_BUDGETS: Final = (4, 16, 40)
"""Of studies on LCBench that begin with another one's outcomes, in whole trials."""
EARLIER_SEED: Final = 1_000
"""Added to a study's seed in the study that it begins with."""

TABLE_BUDGETS: Final = (100, 200, 400, 800)
"""On the surrogate of this project's own table, in epochs."""
TABLE_SEEDS: Final = tuple(range(301, 331))
