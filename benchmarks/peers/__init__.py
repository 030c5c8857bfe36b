"""The peers, each a program of its own, so that their imports do not mix."""

import os

os.environ["KERAS_BACKEND"] = "torch"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Everybody's workers are as nice; Ray's own default is 15.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray's name
