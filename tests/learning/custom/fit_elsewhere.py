"""Fit one trial in this process and print its bits: what a test compares with its own."""

import sys
from pathlib import Path

import torch

from pipeline.config import DataConfig
from pipeline.learning.data import locate, prepare
from pipeline.trial import curve_sha256
from tests.learning.custom.trials import fit, own_trial

torch.set_num_threads(1)
cache = Path(sys.argv[1])
config = DataConfig.model_validate({"name": "digits"})
data = prepare(locate(config, None, cache=cache, system_roots=()), cache=cache)
outcome = fit(data, own_trial("Plain", hidden=16))
sys.stdout.write(f"{curve_sha256(outcome.curve)} {outcome.weights_sha256}")
