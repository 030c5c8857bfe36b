"""A data module's rows are divided anew only where a row can take the place of any other."""

from itertools import chain
from typing import Any

import pytest
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden

from pipeline.errors import BadInputError
from pipeline.learning.custom.datamodule import check_joins, open_module
from pipeline.learning.custom.joined import JoinedRows, join
from tests.learning.custom import divided
from tests.learning.custom.trials import fit_on_own, own_trial

HERE = "tests.learning.custom.divided"
MODULES = "tests.learning.custom.modules"
JOINED = {f"{HERE}.Divided": 90, f"{HERE}.Nested": 80, f"{MODULES}.Blobs": 170}
REFUSED = {
    "Apart": "no parts of one data set",
    "OtherShapes": "no TensorDatasets of one shape",
    "Overlapping": "a row is in its training and in its validation part",
    "Several": r"val_dataloader\(\) gives a list, expected one DataLoader",
    "Batches": r"train_dataloader\(\) gives a list, expected one DataLoader",
    "Weighted": r"train_dataloader\(\) draws its rows by a WeightedRandomSampler",
    "Replacing": r"train_dataloader\(\) draws its rows by a RandomSampler",
    "Few": r"train_dataloader\(\) draws its rows by a RandomSampler",
    "Bucketed": r"train_dataloader\(\) draws its rows by a Buckets",
    "Unbatched": r"train_dataloader\(\) draws its rows by a NoneType",
    "Streaming": r"the data set of train_dataloader\(\) has no rows by number",
    "Broken": r"setting .*Broken up raises OSError: no such disk",
    "Loading": r"train_dataloader\(\) gives a OwnLoader, expected one DataLoader",
}


def joined(path: str) -> JoinedRows:
    """A module's rows."""
    return join(open_module(path, {}, seed=7), path)


def rows_of(loaders: Any) -> list[tuple[float, ...]]:
    """The rows of all batches, in some order."""
    batches = chain.from_iterable(loaders)
    return sorted(tuple(row.flatten().tolist()) for images, _ in batches for row in images)


@pytest.mark.parametrize(("path", "n_rows"), JOINED.items(), ids=JOINED)
def test_folds_validate_on_each_row_once_and_train_on_all_others(path: str, n_rows: int) -> None:
    rows = joined(path)
    own = rows_of([rows.module.train_dataloader(), rows.module.val_dataloader()])
    assert len(own) == n_rows
    folds, digest = rows.folds(3, seed=7)
    assert rows_of([fold.val_dataloader() for fold in folds]) == own
    for fold in folds:
        assert rows_of([fold.train_dataloader(), fold.val_dataloader()]) == own
        sizes = {len(fold.val_dataloader().dataset) for fold in folds}
        assert max(sizes) - min(sizes) <= 1
    again, same = joined(path).folds(3, seed=7)
    assert same == digest
    assert rows_of([again[1].val_dataloader()]) == rows_of([folds[1].val_dataloader()])
    assert rows.folds(3, seed=8)[1] != digest != rows.folds(4, seed=7)[1]


def test_the_whole_trains_on_all_rows_in_the_batches_of_training() -> None:
    rows = joined(f"{HERE}.Divided")
    whole = rows.whole()
    assert rows_of([whole.train_dataloader()]) == sorted(map(tuple, divided.ROWS.tolist()))
    assert [len(images) for images, _ in whole.train_dataloader()] == [10] * 9
    assert not is_overridden("val_dataloader", whole)
    torch.manual_seed(1)
    first = next(iter(whole.train_dataloader()))[0]
    assert not torch.equal(first, divided.ROWS[:10]), "it is shuffled as the module's own is"


@pytest.mark.parametrize(("name", "said"), REFUSED.items(), ids=REFUSED)
def test_rows_that_cannot_be_divided_are_refused_with_the_reason(name: str, said: str) -> None:
    config = own_trial(data="Blobs", n_inputs=8)
    data = config.data.model_copy(update={"class_path": f"{HERE}.{name}"})
    begin = "run 3: data.class_path"
    if name != "Broken":
        begin += f": the rows of {HERE}.{name} cannot be divided anew"
    with pytest.raises(BadInputError, match=f"{begin}: .*{said}"):
        check_joins(config.model_copy(update={"data": data}), where="run 3")


@pytest.mark.parametrize("asked", [{"is_refit": True}, {}], ids=["refit", "folds"])
def test_a_trial_on_such_rows_fails_with_the_reason(asked: dict[str, Any]) -> None:
    config = own_trial(data="Blobs", n_inputs=8)
    changes = {"class_path": f"{HERE}.Apart", "folds": None if asked else 3}
    data = config.data.model_copy(update=changes)
    outcome = fit_on_own(config.model_copy(update={"data": data}), **asked)
    assert "NotJoinedError: the rows of" in (outcome.cause or "")
    assert outcome.curve == ()


def test_more_folds_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data.folds: got 91, expected at most 90"):
        joined(f"{HERE}.Divided").folds(91, seed=7)
