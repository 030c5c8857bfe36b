"""What several folders of tests share."""

from pathlib import Path

import pytest

from tests.app.studies import study_in


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the small study run to its end by two workers."""
    path = tmp_path_factory.mktemp("undisturbed")
    study_in(path).run(workers=2)
    return path
