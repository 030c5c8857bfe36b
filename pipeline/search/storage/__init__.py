"""Trials in Optuna's storage: opened, leased, written and read."""
