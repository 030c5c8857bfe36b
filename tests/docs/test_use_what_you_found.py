"""The page on using a network, its code run as it is."""

from pathlib import Path

import pytest
import torch

from tests.docs.pages import run_page

PAGE = Path(__file__).parents[2] / "docs/use-what-you-found.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.export's own
def test_the_page_s_code_loads_predicts_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run_page(PAGE, tmp_path, monkeypatch)
    labels = torch.from_numpy(names["load_digits"]().target)
    assert (names["classes"] == labels).float().mean() > 0.2
    with torch.no_grad():
        expected, found = names["network"](names["rows"]), names["again"](names["rows"])
    assert torch.allclose(expected, found, atol=1e-5)


def test_the_record_says_how_new_rows_are_made(tmp_path: Path) -> None:
    from pipeline.config import DataConfig
    from pipeline.learning.data import locate, prepare
    from tests.learning.custom.trials import fit, own_trial

    config = DataConfig(name="digits")
    digits = prepare(locate(config, None, cache=tmp_path, system_roots=()), cache=tmp_path)
    facts = fit(digits, own_trial("Plain")).facts
    assert facts is not None
    assert (facts.input_shape, facts.n_classes, facts.scale) == ((8, 8), 10, 16)
