"""Data that is trained on in a second."""

from pathlib import Path

import pytest

from pipeline.config import DataConfig
from pipeline.learning.data import PreparedData, locate, prepare


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The 1,797 small digits; tests leave them as they are."""
    return _prepared(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The digits as numbers to predict; tests leave them as they are."""
    return _prepared(tmp_path_factory.mktemp("numbers"), task="regression")


def _prepared(cache: Path, **data: str) -> PreparedData:
    config = DataConfig.model_validate({"name": "digits"} | data)
    return prepare(locate(config, None, cache=cache, system_roots=()), cache=cache)
