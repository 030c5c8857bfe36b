"""Optuna lives here: the space, the samplers, the stopping rules, and the driver's loop.

Importing the package costs nothing, and ``lock`` little: a study is held before Optuna is imported.
"""
