"""A wrong study file is refused with one sentence: file, key, value and what is allowed."""

import re
from typing import Any

import pytest

from pipeline.config import check_study
from pipeline.errors import BadInputError
from tests.config.documents import MISSING, MODELS, SMALLEST, SPACES, changed

BASES = {model: SMALLEST | {"model": MODELS[model], "space": SPACES[model]} for model in MODELS}
BASES["mlp"] |= {"trials": [{"depth": 2, "dropout": 0.25}]}
BASES["data"] = SMALLEST
BASES["mine"] = SMALLEST | {"data": {"class_path": "my_package.MyData"}}
BASES["number"] = SMALLEST | {"data": {"name": "digits", "task": "regression"}}
BASES["fixed"] = BASES["mlp"] | {"space": SMALLEST["space"] | {"dropout": {"low": 0, "high": 0.6}}}
LIST = "expected a value, or a map with low and high, or with choices"
NUMBERS = "expected numbers only, or choices of texts only"
PART = "expected a fraction above 0 and below 1, or a whole number of at least"
OWN_DATA = "not allowed with class_path: the data module defines it"
ARGUMENT = "not a valid argument name: letters, digits and '_', a letter first"
UNUSED = "got 'y', expected no value with sampler: "
ACTIVATIONS = "expected 'relu', 'leaky-relu', 'elu', "

SECTIONS: list[tuple[str, str, Any, str]] = [
    *[("mlp", key, MISSING, "required, but missing") for key in ("name", "data", "model", "space")],
    *[("mlp", key, MISSING, "required, but missing") for key in ("training", "search")],
    *[("mlp", f"{key}", MISSING, "required, but missing") for key in ("training.epochs",)],
    ("mlp", "trainig", {}, "unknown key, did you mean 'training'?"),
    ("mlp", "data.nam", 1, "unknown key, did you mean 'name'?"),
    ("mlp", "data.sugar", None, "unknown key, expected one of name, class_path, "),
    ("mlp", "model.layers", 3, "unknown key, expected one of name, class_path"),
    ("mlp", "training.epoch", 1, "unknown key, did you mean 'epochs'?"),
    ("mlp", "search.sead", 1, "unknown key, did you mean 'seed'?"),
    ("mlp", "name", "a/b", "got 'a/b', expected a name of at most 100 letters, digits"),
    ("mlp", "name", "..", "got '..', expected a name"),
    ("mlp", "name", "a..b", "got 'a..b', expected a name"),
    ("mlp", "name", "a\n", r"got 'a\n', expected a name"),
    ("mlp", "name", "x" * 101, f"got '{'x' * 76}…, expected a name of at most 100 "),
    ("mlp", "name", "", "got '', expected a name"),
    ("mlp", "name", 5, "got 5, expected a text"),
    ("mlp", "name", False, "got false, expected a text"),
    ("mlp", "question", 5, "got 5, expected a text"),
    ("mlp", "data", "digits", "got 'digits', expected a map"),
    ("mlp", "space", [1], "got [1], expected a map"),
    ("mlp", "trials", {"depth": 2}, "got a map with depth, expected a list"),
    ("mlp", "trials", [3], ".0: got 3, expected a map"),
    ("mlp", "training.epochs", 0, "got 0, expected a number of at least 1"),
    ("mlp", "training.epochs", 10**6, "got 1000000, expected a number of at most 100,000"),
    ("mlp", "training.epochs", True, "got true, expected a whole number"),
    ("mlp", "training.epochs", "10", "got '10', expected a whole number"),
    ("mlp", "training.threads", 0, "got 0, expected a number of at least 1"),
    ("mlp", "training.device", "gpu", "got 'gpu', expected 'auto', 'cpu', 'cuda' or 'mps'"),
    ("mlp", "training.optimizer", "adan", "got 'adan', expected 'adamw', 'adam' or 'sgd'"),
    ("mlp", "training.early_stopping.patience", 0, "got 0, expected a number of at least 1"),
    ("mlp", "objective", "val_loss", "got 'val_loss', expected a map"),
    ("mlp", "objective.metrik", "val_loss", "unknown key, did you mean 'metric'?"),
    ("mlp", "objective.metric", 5, "got 5, expected a text"),
    ("mlp", "objective.metric", "", "got '', expected the name of a metric"),
    ("mlp", "objective.metric", "/val", "got '/val', expected the name of a metric"),
    ("mlp", "objective.metric", "http://a.b", "got 'http://a.b', expected the name of a metric"),
    ("mlp", "objective.metric", "val/", "got 'val/', expected the name of a metric"),
    ("mlp", "objective.metric", "val\n", r"got 'val\n', expected the name of a metric"),
    ("mlp", "objective.metric", "x" * 201, f"got '{'x' * 76}…, expected the name"),
    ("mlp", "objective", {"metric": "val_acc"}, ".direction: not given, and 'val_acc' is better"),
    ("mlp", "objective.metric", "val_los", "got 'val_los', expected one of val_loss, generaliza"),
    ("mlp", "objective.metric", "test_loss", "got 'test_loss', expected a metric that is meas"),
    ("mlp", "objective.metric", "best_val_loss", "got 'best_val_loss', expected a metric that"),
    ("own", "objective.metric", "test/a_loss", "got 'test/a_loss', expected a metric"),
    ("own", "objective", {"metric": "val/f1"}, ".direction: not given, and 'val/f1' is better the"),
    ("mlp", "objective.direction", "max", "got 'max', expected 'minimize' or 'maximize'"),
    ("mlp", "objective.direction", True, "got true, expected "),
    (
        "autoencoder",
        "objective",
        {"metric": "val_accuracy", "direction": "maximize"},
        ".metric: got 'val_accuracy', expected one of val_loss, ",
    ),
    ("mlp", "search", {"trials": 6, "\ud800": 1}, r".\ud800: unknown key, expected one of trials"),
    ("mlp", "search.sampler", "tep", "got 'tep', expected 'auto', 'gp', 'tpe',"),
    ("mlp", "search.stopping", "asah", "got 'asah', expected 'auto', 'none', 'halving', 'median',"),
    ("mlp", "search.warm_start", 5, "got 5, expected a text"),
    ("mlp", "search.warm_start", "a/b", "got 'a/b', expected a name"),
    ("mlp", "search.warm_start", "small", "got 'small', expected another study's name"),
    *[
        (
            "mlp",
            "search",
            {"trials": 6, "sampler": one, "warm_start": "y"},
            f".warm_start: {UNUSED}{one}; gp can use it",
        )
        for one in ("tpe", "random", "qmc", "grid")
    ],
    ("mlp", "search.first_rung", 0, "got 0, expected a number of at least 1"),
    ("mlp", "search.first_rung", 2.5, "got 2.5, expected a whole number"),
    ("mlp", "search.reduction", 1, "got 1, expected a number of at least 2"),
    ("mlp", "search.reduction", 1_001, "got 1001, expected a number of at most 1,000"),
    ("mlp", "search.trials", 0, "got 0, expected a number of at least 1"),
    ("mlp", "search.trials", 100_001, "got 100001, expected a number of at most 100,000"),
    ("mlp", "search.seed", -1, "got -1, expected a number of at least 0"),
    ("mlp", "search.seed", 2**32, "got 4294967296, expected a number of at most 4,294,967,295"),
    ("mlp", "search.seed", 10**30, f"got {10**30}, expected a number of at most 4,294,967,295"),
    ("mlp", "search.block", 0, "got 0, expected a number of at least 1"),
    ("mlp", "search.block", 1_001, "got 1001, expected a number of at most 1,000"),
    ("mlp", "search.max_seconds", 0, "got 0, expected a number above 0"),
]
MODEL: list[tuple[str, str, Any, str]] = [
    ("mlp", "model", {}, "give either name or class_path"),
    ("mlp", "model", {"name": "mlp", "class_path": "a.B"}, "give either name or class_path"),
    ("mlp", "model", "cnn", "got 'cnn', expected a map"),
    ("mlp", "model.name", "gpt", "got 'gpt', expected one of mlp, cnn, autoencoder"),
    ("own", "model.class_path", "Net", "got 'Net', expected a dotted path to a class, my_package."),
]
DATA: list[tuple[str, str, Any, str]] = [
    ("data", "data", {}, "give either name or class_path"),
    ("data", "data", {"name": "digits", "class_path": "a.B"}, "give either name or class_path"),
    ("data", "data.name", "cifar", "got 'cifar', expected 'mnist-5k', 'digits', 'mnist', "),
    ("data", "data", {"name": "npz"}, ".path: required with name: npz"),
    ("data", "data", {"name": "image-folder"}, ".path: required with name: image-folder"),
    ("data", "data.path", "x.npz", "not allowed with name: digits"),
    ("data", "data.image_size", 3, "not allowed with name: digits"),
    ("data", "data", {"name": "npz", "path": ""}, ".path: got '', expected the path of a file"),
    ("data", "data", {"name": "npz", "path": "a\0b"}, r".path: got 'a\x00b', expected the path"),
    ("data", "data.image_size", 0, "got 0, expected a number of at least 1"),
    ("data", "data.image_size", 4_097, "got 4097, expected a number of at most 4,096"),
    ("data", "data", {"name": "digits", "folds": 5, "validation": 0.2}, ".folds: not allowed with"),
    *[("data", "data.folds", n, f"got {n}, expected a number of at least 2") for n in (0, 1)],
    ("data", "data.folds", 101, "got 101, expected a number of at most 100"),
    *[("data", "data.validation", part, f"got {part}, {PART} 1") for part in (0, -1, 1.0, 1.5)],
    ("data", "data.validation", True, f"got true, {PART} 1"),
    ("data", "data.test", -1, f"got -1, {PART} 0"),
    ("data", "data.test", 0.0, f"got 0.0, {PART} 0"),
    ("data", "data", {"class_path": "Mine"}, ".class_path: got 'Mine', expected a dotted path"),
    *[
        ("data", "data", {"class_path": "a.B", key: value}, f".{key}: {OWN_DATA}")
        for key, value in {"path": "x", "image_size": 8, "validation": 0.2, "test": 0}.items()
    ],
    ("data", "data", {"class_path": "a.B", "task": "regression"}, f".task: {OWN_DATA}"),
    ("data", "data.task", "ranking", "got 'ranking', expected 'classification' or 'regression'"),
    ("data", "data.task", True, "got true, expected 'classification' or 'regression'"),
    (
        "data",
        "data",
        {"name": "image-folder", "path": "x", "task": "regression"},
        ".task: not allowed with name: image-folder, whose folders are classes",
    ),
    ("number", "training.loss", "rmse", "got 'rmse', expected 'mse', 'mae' or 'huber'"),
    ("number", "training.loss", "MSE", "got 'MSE', expected 'mse', 'mae' or 'huber'"),
    ("number", "training.loss", 1, "got 1, expected 'mse', 'mae' or 'huber'"),
    ("number", "training.loss", "cross-entropy", "got 'cross-entropy', expected 'mse', 'mae' or"),
    ("number", "training.los", "mse", "unknown key, did you mean 'loss'?"),
]
LOSSES: list[tuple[str, dict[str, Any], str]] = [
    ("mlp", {}, "only for regression (data.task: regression)"),
    ("mlp", {"data.task": "classification"}, "only for regression (data.task: regression)"),
    ("autoencoder", {"data.task": "regression"}, "not allowed with autoencoder, which has a"),
    (
        "own",
        {"data.task": "regression"},
        "only for a built-in model: a module of your own computes",
    ),
    ("cnn", {"data": {"name": "image-folder", "path": "x"}}, "only for regression (data.task: "),
]
SPACE: list[tuple[str, str, Any, str]] = [
    ("mlp", "space.dropuot", 0.5, "unknown key, did you mean 'dropout'?"),
    ("mlp", "space.keep_probs", 0.5, "unknown key, did you mean 'keep_prob'?"),
    ("mlp", "space.width_x", 16, "unknown key, did you mean 'width_1'?"),
    ("mlp", "space.width_of_layer", {"width_1": 1}, "unknown key, did you mean 'width_1'?"),
    ("mlp", "space.(width)", {"width_1": 1}, "unknown key, did you mean 'width'?"),
    ("mlp", "space", {5: 1}, ".5: unknown key, expected one of depth, "),
    ("mlp", "space.sugar", 1, "unknown key, expected one of depth, width, input_dropout, "),
    ("cnn", "space.filtres", 8, "unknown key, did you mean 'filters'?"),
    ("mlp", "space.filters", 8, "a parameter of cnn, not of this model"),
    ("mlp", "space.block_keep_prob_1", 0.5, "unknown key, did you mean 'keep_prob'?"),
    ("autoencoder", "space.blocks", 2, "a parameter of cnn, not of this model"),
    ("mlp", "space.batch_size", MISSING, "required, but missing (rows a step)"),
    ("mlp", "space.batch_size", None, f"got nothing, {LIST}"),
    ("cnn", "space.blocks", MISSING, "required, but missing (blocks of two 3x3 convolutions"),
    ("mlp", "space.width", MISSING, "width or width_1 is required, since depth can be 1"),
    ("mlp", "space.dropout", None, "dropout or dropout_1 is required, since depth can be 1"),
    ("cnn", "space.filters", MISSING, "filters or filters_1 is required, since blocks can be 1"),
    ("mlp", "space.width_4", 16, "there is no such layer: the largest depth is 3"),
    ("mlp", "space.keep_prob_4", 0.5, "there is no such layer: the largest depth is 3"),
    ("cnn", "space.filters_4", 8, "there is no such layer: the largest blocks is 3"),
    ("mlp", "space.learning_rate.per_layer", True, "only width, dropout can vary by layer"),
    ("cnn", "space.depth", {"low": 0, "high": 1, "per_layer": True}, ".per_layer: only filters, "),
    ("mlp", "space.depth", -1, "got -1, expected a number of at least 0"),
    ("mlp", "space.depth", 1.5, "got 1.5, expected a whole number"),
    ("mlp", "space.depth", True, "got true, expected a whole number"),
    ("mlp", "space.depth", "two", "got 'two', expected a whole number"),
    ("mlp", "space.depth", {"low": 0, "high": 101}, ".high: got 101, expected a number of at most"),
    ("autoencoder", "space.depth", 0, "got 0, expected a number of at least 1"),
    ("cnn", "space.blocks", 11, "got 11, expected a number of at most 10"),
    ("cnn", "space.filters", 4_097, "got 4097, expected a number of at most 4,096"),
    ("mlp", "space.width", 0, "got 0, expected a number of at least 1"),
    ("mlp", "space.width_2", 70_000, "got 70000, expected a number of at most 65,536"),
    ("mlp", "space.width", [16], f"got [16], {LIST}"),
    ("mlp", "space.batch_size", 0, "got 0, expected a number of at least 1"),
    ("mlp", "space.batch_size", 10**7, "got 10000000, expected a number of at most 1,000,000"),
    ("mlp", "space.dropout", 1.0, "got 1.0, expected a number below 1"),
    ("mlp", "space.dropout", -0.1, "got -0.1, expected a number of at least 0"),
    ("cnn", "space.block_dropout", 1.0, "got 1.0, expected a number below 1"),
    ("mlp", "space.learning_rate", 0, "got 0, expected a number above 0"),
    ("mlp", "space.learning_rate", 1_001, "got 1001, expected a number of at most 1,000"),
    ("mlp", "space.learning_rate", float("inf"), "got inf, expected a"),
    ("mlp", "space.learning_rate", float("nan"), "got nan, expected a"),
    ("mlp", "space.learning_rate", "fast", "got 'fast', expected a number"),
    ("mlp", "space.max_norm", 0, "got 0, expected a number above 0"),
    ("mlp", "space.max_norm", "3", "got '3', expected a number"),
    ("mlp", "space.regularizer", "channel-dropout", "got 'channel-dropout', expected 'dropout' or"),
    ("cnn", "space.regularizer", "x", "got 'x', expected 'dropout', 'channel-dropout' or"),
    ("mlp", "space.activation", "swish", f"got 'swish', {ACTIVATIONS}"),
    ("mlp", "space.label_smoothing", 1.0, "got 1.0, expected a number below 1"),
    ("mlp", "space.label_smoothing", -0.1, "got -0.1, expected a number of at least 0"),
    ("cnn", "space.label_smoothing.choices", ["x"], ".0: got 'x', expected a number"),
    ("mlp", "space.class_weights", "sqrt", "got 'sqrt', expected 'none' or 'balanced'"),
    ("mlp", "space.class_weights", {"low": 0, "high": 1}, ".low: unknown key, expected one of"),
    ("autoencoder", "space.label_smoothing", 0.1, "a parameter of mlp and cnn, not of this model"),
    ("number", "space.label_smoothing", 0.1, "only for classification"),
    ("number", "space.class_weights", "balanced", "only for classification"),
    ("number", "space.class_weights", {"choices": ["none"]}, "only for classification"),
    (
        "mine",
        "space.class_weights",
        "balanced",
        "only for built-in data, whose classes are counted",
    ),
    ("mlp", "space.activation", 3, f"got 3, {ACTIVATIONS}"),
    ("mlp", "space.activation", [3], "got [3], expected a value, or a map with choices"),
    (
        "mlp",
        "space.activation",
        {"low": 1, "high": 2},
        ".low: unknown key, expected one of choices",
    ),
]
DOMAINS: list[tuple[str, str, Any, str]] = [
    ("mlp", "space.dropout.hihg", 1, "unknown key, did you mean 'high'?"),
    ("mlp", "space.width.choice", 1, "unknown key, did you mean 'choices'?"),
    ("mlp", "space.dropout.low", MISSING, "required, but missing"),
    ("mlp", "space.dropout.high", 1, "got 1, expected a number below 1"),
    ("mlp", "space.width.choices", 16, "got 16, expected a list"),
    ("mlp", "space.width.choices", [], "got [], expected a list of at least 1 values"),
    ("mlp", "space.width.choices", [8, 8], "8 is listed twice"),
    ("mlp", "space.width.choices", ["a"], ".0: got 'a', expected a whole number"),
    (
        "mlp",
        "space.dropout",
        {"low": 0.6, "high": 0.1},
        ".low: got 0.6, expected a number of at mo",
    ),
    (
        "mlp",
        "space.width_2",
        {"low": 9, "high": 3},
        ".low: got 9, expected a number of at most high",
    ),
    (
        "mlp",
        "space.dropout",
        {"low": 0.0, "high": 0.5, "log": True},
        ".low: got 0.0, expected a number above 0, since log is",
    ),
    ("mlp", "space.dropout.log", "yes", "got 'yes', expected true or false"),
    ("mlp", "space.learning_rate.step", 0.001, "not allowed with log: true"),
    ("mlp", "space.dropout.step", 0.7, "got 0.7, expected a number of at most high - low = 0.6"),
    ("mlp", "space.dropout.step", 0.25, "got 0.25, expected a divisor of high - low = 0.6"),
    ("mlp", "space.dropout.step", 0, "got 0, expected a number above 0"),
]
KEEP_PROB: list[tuple[str, str, Any, str]] = [
    ("mlp", "space.input_keep_prob", 0.5, "give either input_keep_prob or input_dropout, not both"),
    ("fixed", "space.keep_prob_1", 0, "got 0, expected a probability to keep, above 0 and at most"),
    ("fixed", "space.keep_prob_1", 1.1, "got 1.1, expected a probability to keep"),
    ("fixed", "space.keep_prob_1", True, "got true, expected a probability to keep"),
    ("fixed", "space.keep_prob_1", "x", "got 'x', expected a probability to keep"),
    ("fixed", "space.keep_prob_1", {"low": 0.9, "high": 0.5}, ".low: got 0.9, expected a number"),
    ("fixed", "space.keep_prob_1", {"low": 0.5}, ".high: required, but missing"),
    ("fixed", "space.keep_prob_1.log", True, "not allowed; give dropout instead"),
    ("fixed", "space.keep_prob_1", {"low": 0.5, "high": 1, "hihg": 1}, ".hihg: unknown key, did"),
    ("fixed", "space.keep_prob_1.choices", [0.5, 0], ".1: got 0, expected a probability to keep"),
    ("fixed", "space.keep_prob_1.choices", 0.5, "got 0.5, expected a list"),
    ("cnn", "space.block_keep_prob_1", 0, "got 0, expected a probability to keep"),
]
ARGUMENTS: list[tuple[str, str, Any, str]] = [
    *[("own", f"space.{name}", 1, ARGUMENT) for name in ("_x", "lambda", "self", "a-b")],
    ("own", f"space.{'x' * 101}", 1, ARGUMENT),
    ("own", "space.flag", "True", "got 'True', expected true or false, or another text"),
    ("own", "space.a", {"choices": [1, True]}, f"got a map with choices, {NUMBERS}, or of bool"),
    ("own", "space.a", {"low": False, "high": True}, f"got a map with low, high, {NUMBERS}"),
    (
        "own",
        "space.a",
        {"low": 1, "high": 4, "hihg": 3},
        ".hihg: unknown key, did you mean 'high'?",
    ),
    ("own", "space.a", {"low": 9, "high": 4}, ".low: got 9, expected a number of at most high"),
    (
        "own",
        "space.a",
        {"low": 1, "high": 4, "per_layer": True},
        ".per_layer: depth is to count the layers: unknown key, expected one of",
    ),
    ("own", "space.a", {"choices": [1, "x"]}, f"got a map with choices, {NUMBERS}"),
    ("own", "space.a", {"low": "x", "high": "y"}, f"got a map with low, high, {NUMBERS}"),
    ("own", "space.a", "12", "got '12', expected a text that is no number"),
    ("own", "space.a", "a\nb", r"got 'a\nb', expected a text of one line that can be printed"),
    ("own", "space.a", "", "got '', expected a text of at least 1 characters"),
    ("own", "space.a", "x" * 201, f"got '{'x' * 76}…, expected a text of at most 200 characters"),
    ("own", "space.a", 2**53 + 1, f"got {2**53 + 1}, expected a whole number of at most 2**53"),
    ("own", "space.a", float("inf"), "got inf, expected a finite number"),
    ("own", "space.a", None, f"got nothing, {LIST}"),
    ("own", "space.a", [1], f"got [1], {LIST}"),
    ("own", "space.batch_size", 0, "got 0, expected a number of at least 1"),
]
FIXED: list[tuple[str, str, Any, str]] = [
    ("mlp", "trials.0.depth", 4, "got 4, expected a whole number from 1 to 3 (space.depth)"),
    ("mlp", "trials.0.depth", 2.0, "got 2.0, expected a whole number from 1 to 3"),
    (
        "mlp",
        "trials.0.dropout",
        0.7,
        "got 0.7, expected a number from 0.0 to 0.6 (space.dropout_1)",
    ),
    (
        "mlp",
        "trials.0.dropout_2",
        0.7,
        "got 0.7, expected a number from 0.0 to 0.6 (space.dropout_2",
    ),
    *[
        ("mlp", "trials.0.width", value, f"got {told}, expected one of [16, 32]")
        for value, told in ((24, 24), (16.0, 16.0), (True, "true"), ([16], [16]))
    ],
    ("mlp", "trials.0.weight_decay", 0.1, "got 0.1, expected 0.0, a constant (space.weight_decay)"),
    ("mlp", "trials.0.learning_rate", "x", "got 'x', expected a number from 0.0001 to 0.01"),
    ("mlp", "trials.0.learning_rate", float("nan"), "got nan, expected a number from 0.0001 to"),
    ("mlp", "trials.0.learning_rate", None, "got nothing, expected a number from 0.0001 to 0.01"),
    ("mlp", "trials.0.dropuot", 0.5, "unknown key, did you mean 'dropout'?"),
    ("mlp", "trials.0.batch", 32, "unknown key, did you mean 'batch_size'?"),
    ("mlp", "trials.0.width_1", 16, "unknown key, did you mean 'width'?"),
    ("mlp", "trials.0.keep_prob_5", 0.5, "unknown key, did you mean 'dropout_"),
    ("mlp", "trials.0.dropout_3", 0.1, "there is no such layer: the trial's depth is 2"),
    ("cnn", "trials", [{"blocks": 1, "filters_2": 8}], ".0.filters_2: there is no such layer: the"),
    ("cnn", "trials", [{"filters": 9}], ".0.filters: got 9, expected one of [8, 16]"),
    (
        "cnn",
        "trials",
        [{"block_keep_prob": 2}],
        ".0.block_keep_prob: got 2, expected a probability",
    ),
    ("cnn", "trials", [{"activation": "relu"}], ".0.activation: unknown key"),
    ("fixed", "trials.0.keep_prob", 0.5, "give either keep_prob or dropout, not both"),
    (
        "fixed",
        "trials",
        [{"keep_prob": 0.1}],
        ".0.keep_prob: got 0.1 (dropout 0.9), expected a num",
    ),
    (
        "own",
        "trials",
        [{"activation": "relu"}],
        ".0.activation: got 'relu', expected one of ['tanh'",
    ),
    ("own", "trials", [{"flavour": "sour"}], ".0.flavour: got 'sour', expected plain, a constant"),
    ("own", "trials", [{"keep_prob": True}], ".0.keep_prob: got true, expected a number"),
    ("own", "trials", [{"activation_1": "x"}], ".0.activation_1: unknown key, did you mean 'activ"),
]
REFUSED = [*SECTIONS, *MODEL, *DATA, *SPACE, *DOMAINS, *KEEP_PROB, *ARGUMENTS, *FIXED]


def name_of(value: object) -> str | None:
    """A short id of a table's cell; pytest numbers what is equal."""
    return "missing" if value is MISSING else f"{value!r:.30}"


@pytest.mark.parametrize(("base", "key", "value", "message"), REFUSED, ids=name_of)
def test_a_study_refuses_a_wrong_value(base: str, key: str, value: Any, message: str) -> None:
    told = f"study.yaml: {key}{message if message.startswith('.') else f': {message}'}"
    with pytest.raises(BadInputError, match=f"^{re.escape(told)}"):
        check_study(changed({key: value}, BASES[base]), "study.yaml")


@pytest.mark.parametrize(("base", "changes", "message"), LOSSES, ids=name_of)
def test_a_loss_is_refused_where_it_has_no_use(
    base: str, changes: dict[str, Any], message: str
) -> None:
    document = changed({"training.loss": "mae"} | changes, BASES[base])
    with pytest.raises(BadInputError, match=f"^study.yaml: training.loss: {re.escape(message)}"):
        check_study(document, "study.yaml")


def test_a_wrong_model_is_reported_before_its_space_and_its_trials() -> None:
    changes = {"model": {"name": "gpt"}, "space": {"filters": -1}, "trials": [{"keep_prob": 9}]}
    with pytest.raises(BadInputError, match=r"^study\.yaml: model\.name: got 'gpt'"):
        check_study(changed(changes), "study.yaml")


def test_a_study_refuses_more_fixed_trials_than_trials() -> None:
    with pytest.raises(
        BadInputError, match=r"search\.trials: got 6, expected at least 7, the numb"
    ):
        check_study(changed({"trials": [{}] * 7}), "study.yaml")
