import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection

from pipeline.errors import BadInputError, WorkFailedError
from pipeline.search.storage.journal import open_journal, written_together
from pipeline.search.storage.opening import open_storage


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


def test_what_another_process_writes_meanwhile_is_read_after_what_is_set_together(
    path: Path,
) -> None:
    storage = open_journal(path, to_write=True)
    trial_id, other = trial_in(storage), open_journal(path, to_write=False)
    with written_together(storage):
        storage.set_trial_intermediate_value(trial_id, 1, 0.5)
        other.set_trial_user_attr(trial_id, "other", 1)
        assert storage.get_trial(trial_id).user_attrs == {}
    assert storage.get_trial(trial_id).user_attrs == {"other": 1}
    assert storage.get_trial(trial_id).intermediate_values == {1: 0.5}


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


def set_two(storage: BaseStorage, trial_id: int) -> None:
    with written_together(storage):
        storage.set_trial_user_attr(trial_id, "first", "x" * 60)
        storage.set_trial_user_attr(trial_id, "second", "x" * 60)


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let no file grow beyond: each write beyond fails, as on a full disk, after a part of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, 40, 90])
def test_line_for_which_there_is_no_room_leaves_nothing_and_the_next_one_is_whole(
    path: Path, room: int
) -> None:
    storage = open_journal(path, to_write=True)
    trial_id, before = trial_in(storage), path.read_bytes()
    with (
        files_of_at_most(len(before) + room),
        pytest.raises(WorkFailedError, match=r"optuna.journal cannot be written: File too large"),
    ):
        set_two(storage, trial_id)
    assert path.read_bytes() == before
    storage.set_trial_user_attr(trial_id, "later", 3)
    assert open_journal(path, to_write=False).get_trial(trial_id).user_attrs == {"later": 3}


@pytest.mark.parametrize("torn", [b"{", b'{"op_code": 4, "work', b"x" * 10_000, b"\0" * 4096])
def test_line_that_a_killed_writer_left_torn_is_cut_off(path: Path, torn: bytes) -> None:
    storage = open_journal(path, to_write=True)
    trial_id, before = trial_in(storage), path.read_bytes()
    path.write_bytes(before + torn)
    assert open_journal(path, to_write=False).get_trial(trial_id).user_attrs == {}
    open_journal(path, to_write=True)
    assert path.read_bytes() == before
    path.write_bytes(before + torn)  # by another study's driver, while this one lives
    storage.set_trial_user_attr(trial_id, "later", 1)
    assert open_journal(path, to_write=False).get_trial(trial_id).user_attrs == {"later": 1}


def test_journal_of_a_torn_line_alone_becomes_empty(path: Path) -> None:
    path.write_bytes(b'{"op_code"')
    trial_in(open_journal(path, to_write=True))
    assert path.read_bytes().startswith(b'{"op_code":0')


DAMAGE = {
    "garbage in the middle": lambda lines: [lines[0], b"\x00garbage\n", *lines[1:]],
    "a line cut short": lambda lines: [lines[0][:20] + b"\n", *lines[1:]],
    "a last line of garbage": lambda lines: [*lines, b"\xff\xfe\n"],
    "no entry": lambda lines: [*lines, b"5\n"],
    "an entry of nothing": lambda lines: [*lines, b"{}\n"],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("to_write", [True, False])
def test_damaged_journal_is_bad_input_and_stays_as_it_is(
    path: Path, damage: Callable[[list[bytes]], list[bytes]], *, to_write: bool
) -> None:
    trial_in(open_journal(path, to_write=True))
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    before = path.read_bytes()
    with pytest.raises(
        BadInputError, match=r"optuna.journal: got a file that cannot be read \(.+\), expected"
    ) as caught:
        open_storage(None, path, to_write=to_write)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
