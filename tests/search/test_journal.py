from pathlib import Path

import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection

from pipeline.search.journal import open_journal, written_together


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "optuna.journal"


def trial_in(storage: BaseStorage) -> int:
    study_id = storage.create_new_study([StudyDirection.MINIMIZE], "small")
    return storage.create_new_trial(study_id)


def test_what_is_set_together_is_written_at_once_in_its_order(path: Path) -> None:
    storage = open_journal(path, to_write=True)
    trial_id, before = trial_in(storage), path.read_bytes()
    with written_together(storage):
        for epoch in (1, 2, 3):
            storage.set_trial_intermediate_value(trial_id, epoch, 0.5 / epoch)
        assert path.read_bytes() == before
    again = open_journal(path, to_write=False)
    assert again.get_trial(trial_id).intermediate_values == {1: 0.5, 2: 0.25, 3: 0.5 / 3}
    storage.set_trial_user_attr(trial_id, "later", 1)
    assert again.get_trial(trial_id).user_attrs == {"later": 1}


def test_nothing_set_together_writes_nothing(path: Path) -> None:
    storage = open_journal(path, to_write=True)
    trial_in(storage)
    before = path.read_bytes()
    with written_together(storage):
        pass
    assert path.read_bytes() == before


def set_and_interrupt(storage: BaseStorage, trial_id: int) -> None:
    with written_together(storage):
        storage.set_trial_user_attr(trial_id, "held", 1)
        raise KeyboardInterrupt


def test_exception_drops_what_was_held_and_later_writes_go_on(path: Path) -> None:
    storage = open_journal(path, to_write=True)
    trial_id = trial_in(storage)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        set_and_interrupt(storage, trial_id)
    storage.set_trial_user_attr(trial_id, "later", 2)
    assert open_journal(path, to_write=False).get_trial(trial_id).user_attrs == {"later": 2}


def test_writer_cuts_off_the_half_line_of_another_that_was_killed_meanwhile(path: Path) -> None:
    storage = open_journal(path, to_write=True)
    trial_id = trial_in(storage)
    with path.open("ab") as killed:
        killed.write(b'{"op_code":8,"half of')
    assert open_journal(path, to_write=False).get_trial(trial_id).user_attrs == {}
    storage.set_trial_user_attr(trial_id, "later", 3)
    assert open_journal(path, to_write=False).get_trial(trial_id).user_attrs == {"later": 3}


def test_other_storages_write_one_by_one() -> None:
    storage = InMemoryStorage()
    trial_id = trial_in(storage)
    with written_together(storage):
        storage.set_trial_user_attr(trial_id, "at once", 1)
        assert storage.get_trial(trial_id).user_attrs == {"at once": 1}
