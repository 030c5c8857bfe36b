"""Data that is trained on in a second."""

import pytest

from pipeline.config import DataConfig
from pipeline.learning.data import PreparedData, locate, prepare


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The 1,797 small digits; tests leave them as they are."""
    cache = tmp_path_factory.mktemp("digits")
    config = DataConfig.model_validate({"name": "digits"})
    return prepare(locate(config, None, cache=cache, system_roots=()), cache=cache)
