import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from mmerc import files
from mmerc.errors import InputError
from mmerc.files import (
    _fit_name,
    atomic_directory,
    atomic_file,
    file_fingerprint,
    file_lock,
    fingerprint,
    read_json,
    read_text,
    remove_abandoned,
    write_json,
    write_text,
)


def test_text_and_json_come_back(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "é\n")
    write_json(tmp_path / "a.json", {"k": [1, "é"]})
    assert read_text(tmp_path / "deep" / "a.txt") == "é\n"
    assert read_json(tmp_path / "a.json") == {"k": [1, "é"]}
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfhi")
    assert read_text(tmp_path / "marked.txt") == "hi"


def test_a_failed_block_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def fail():
        with atomic_file(tmp_path / "a.txt") as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_text(tmp_path / "a.txt") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failed_block_leaves_no_folder(tmp_path):
    def fail():
        with atomic_directory(tmp_path / "out") as folder:
            (folder / "half").write_text("")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="out: cannot be written"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "out").mkdir()
    with atomic_directory(tmp_path / "out") as folder:
        (folder / "a").write_text("")
    assert (tmp_path / "out" / "a").exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "")
    with (
        pytest.raises(InputError, match="cannot be written"),
        atomic_directory(tmp_path / "file" / "out"),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"a\xff", r"not UTF-8 text \(byte 1\)"), (b"{", "not JSON")],
)
def test_files_that_cannot_be_read(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: {message}"):
        read_json(tmp_path / "a.json")


def test_a_folder_is_not_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)


def test_fingerprints(tmp_path):
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1]) != fingerprint([2])
    (tmp_path / "empty").write_bytes(b"")
    assert file_fingerprint(tmp_path / "empty").startswith("e3b0c44298fc1c14")


def take(path, wait, said):
    said.recv()
    with file_lock(path, wait=wait) as alone:
        said.send(alone)
        said.recv()


@pytest.fixture
def elsewhere(tmp_path):
    """Another process, which takes the lock ``tmp_path / "deep" / "lock"`` when it is told to.

    It begins before anybody here takes the lock: a fork would take over what is held.
    """
    processes = []

    def start(*, wait=False):
        here, present = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=take, args=(tmp_path / "deep" / "lock", wait, present)
        )
        process.start()
        processes.append(process)
        return process, here

    yield start
    for process in processes:
        process.kill()
        process.join()


def test_a_lock_keeps_others_out_until_its_process_is_gone(elsewhere, tmp_path):
    path = tmp_path / "deep" / "lock"
    process, said = elsewhere()
    said.send("take it")
    assert said.poll(60)
    assert said.recv()
    with file_lock(path) as alone:
        assert not alone
    process.kill()
    process.join()
    with file_lock(path) as alone:
        assert alone
    assert path.is_file()


def test_a_lock_is_waited_for(elsewhere, tmp_path):
    _, said = elsewhere(wait=True)
    with file_lock(tmp_path / "deep" / "lock") as alone:
        assert alone
        said.send("take it")
        assert not said.poll(0.2)
    assert said.poll(60)
    assert said.recv()


def write_until(gate, path):
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        gate.send(str(temporary))
        gate.recv()


def test_a_temporary_file_is_removed_only_once_its_process_is_gone(tmp_path):
    gate, other = multiprocessing.Pipe()
    writer = multiprocessing.get_context("fork").Process(
        target=write_until, args=(other, tmp_path / "report.html")
    )
    writer.start()
    temporary = Path(gate.recv())
    remove_abandoned(temporary)
    assert temporary.read_text() == "half"
    writer.kill()
    writer.join()
    assert temporary.read_text() == "half"
    remove_abandoned(temporary)
    assert list(tmp_path.iterdir()) == []
    remove_abandoned(temporary)


def test_a_temporary_file_that_was_taken_for_abandoned_is_created_again(tmp_path, monkeypatch):
    lock, taken = files._take_lock, []

    def remove_first(handle, **settings):
        if not taken:
            (path,) = tmp_path.iterdir()
            path.unlink()
            taken.append(path)
        return lock(handle, **settings)

    monkeypatch.setattr(files, "_take_lock", remove_first)
    write_text(tmp_path / "a.txt", "whole")
    assert taken and [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_a_lock_that_was_thrown_away_is_nobodys(tmp_path, monkeypatch):
    def slow(handle, operation):
        (tmp_path / "lock").unlink()

    monkeypatch.setattr(files.fcntl, "flock", slow)
    with file_lock(tmp_path / "lock") as alone:
        assert not alone


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    def without(handle, operation):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(files.fcntl, "flock", without)
    with file_lock(tmp_path / "lock") as alone:
        assert alone


def test_a_lock_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="lock: cannot be written"),
        file_lock(tmp_path / "file" / "lock"),
    ):
        pass


LONG = {"Latin": "a" * 255, "Georgian": "ა" * 85, "not UTF-8": "\udcff" * 255}


@pytest.mark.parametrize("stem", LONG.values(), ids=LONG)
def test_a_long_name_is_cut_and_stays_different(stem):
    assert _fit_name(stem) == stem
    name, other = _fit_name(stem, ".TextGrid"), _fit_name(stem[:-1] + "b", ".TextGrid")
    assert name != other
    assert name.endswith(".TextGrid")
    assert 250 <= len(os.fsencode(name)) <= 255
    assert name.startswith(stem[:70])
    assert _fit_name("talk", ".TextGrid") == "talk.TextGrid"


@pytest.mark.parametrize("name", LONG.values(), ids=LONG)
def test_the_longest_names_can_be_written(tmp_path, name):
    write_text(tmp_path / "files" / name, "a")
    for content in ("a", "b"):
        with atomic_directory(tmp_path / "folders" / name, overwrite=True) as folder:
            (folder / content).write_text("")
    assert [path.name for path in tmp_path.glob("*/*")] == [name, name]
    assert [path.name for path in tmp_path.glob("folders/*/*")] == ["b"]


def test_a_name_that_is_too_long_is_refused_with_advice(tmp_path):
    with pytest.raises(InputError, match=r"file name too long\); choose a shorter name"):
        write_text(tmp_path / ("a" * 256), "")


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_what_is_written_is_as_private_as_the_user_wants(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "mine")
        with atomic_directory(tmp_path / "folder") as folder:
            (folder / "b.txt").write_text("mine")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


def test_names_that_are_no_unicode_come_back_from_json(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_json(tmp_path / "a.json", {"name": name})
    assert read_json(tmp_path / "a.json") == {"name": name}
