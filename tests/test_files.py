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


def test_text_and_json_round_trip(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "é\n")
    write_json(tmp_path / "a.json", {"k": [1, "é"]})
    assert read_text(tmp_path / "deep" / "a.txt") == "é\n"
    assert read_json(tmp_path / "a.json") == {"k": [1, "é"]}
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfhi")
    assert read_text(tmp_path / "marked.txt") == "hi"


def test_failed_write_keeps_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def fail():
        with atomic_file(tmp_path / "a.txt") as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_text(tmp_path / "a.txt") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_failed_write_leaves_no_folder(tmp_path):
    def fail():
        with atomic_directory(tmp_path / "out") as folder:
            (folder / "half").write_text("")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="out: cannot be written"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_empty_folder_can_be_used(tmp_path):
    (tmp_path / "out").mkdir()
    with atomic_directory(tmp_path / "out") as folder:
        (folder / "a").write_text("")
    assert (tmp_path / "out" / "a").exists()


def test_unwritable_path_is_refused(tmp_path):
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
    [
        (None, "no such file"),
        (b"a\xff", r"not UTF-8 text \(byte 1\)"),
        (b"{", "not JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' occurs twice in the object"),
    ],
)
def test_unreadable_files_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: {message}"):
        read_json(tmp_path / "a.json")


def test_folder_is_refused_as_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)


def test_fingerprints_cover_content(tmp_path):
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
def other_process(tmp_path):
    """Another process, which takes the lock ``tmp_path / "deep" / "lock"`` on request.

    It starts before this process takes the lock, because a fork would inherit it.
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


def test_lock_is_held_until_its_process_ends(other_process, tmp_path):
    path = tmp_path / "deep" / "lock"
    process, said = other_process()
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


def test_lock_can_be_waited_for(other_process, tmp_path):
    _, said = other_process(wait=True)
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


def test_temporary_file_is_removed_only_after_its_process_ends(tmp_path):
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


def test_temporary_file_removed_as_abandoned_is_created_again(tmp_path, monkeypatch):
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


def test_deleted_lock_is_free(tmp_path, monkeypatch):
    def slow(handle, operation):
        (tmp_path / "lock").unlink()

    monkeypatch.setattr(files.fcntl, "flock", slow)
    with file_lock(tmp_path / "lock") as alone:
        assert not alone


def test_file_system_without_locks_does_not_block(tmp_path, monkeypatch):
    def without(handle, operation):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(files.fcntl, "flock", without)
    with file_lock(tmp_path / "lock") as alone:
        assert alone


def test_uncreatable_lock_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="lock: cannot be written"),
        file_lock(tmp_path / "file" / "lock"),
    ):
        pass


LONG = {"Latin": "a" * 255, "Georgian": "ა" * 85, "not UTF-8": "\udcff" * 255}


@pytest.mark.parametrize("stem", LONG.values(), ids=LONG)
def test_long_names_are_shortened_and_stay_unique(stem):
    assert _fit_name(stem) == stem
    name, other = _fit_name(stem, ".TextGrid"), _fit_name(stem[:-1] + "b", ".TextGrid")
    assert name != other
    assert name.endswith(".TextGrid")
    assert 250 <= len(os.fsencode(name)) <= 255
    assert name.startswith(stem[:70])
    assert _fit_name("talk", ".TextGrid") == "talk.TextGrid"


@pytest.mark.parametrize("name", LONG.values(), ids=LONG)
def test_longest_names_can_be_written(tmp_path, name):
    write_text(tmp_path / "files" / name, "a")
    for content in ("a", "b"):
        with atomic_directory(tmp_path / "folders" / name, overwrite=True) as folder:
            (folder / content).write_text("")
    assert [path.name for path in tmp_path.glob("*/*")] == [name, name]
    assert [path.name for path in tmp_path.glob("folders/*/*")] == ["b"]


def test_name_that_is_too_long_is_refused_with_advice(tmp_path):
    with pytest.raises(InputError, match=r"file name too long\); choose a shorter name"):
        write_text(tmp_path / ("a" * 256), "")


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_file_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "mine")
        with atomic_directory(tmp_path / "folder") as folder:
            (folder / "b.txt").write_text("mine")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


def test_non_unicode_names_survive_json(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_json(tmp_path / "a.json", {"name": name})
    assert read_json(tmp_path / "a.json") == {"name": name}
