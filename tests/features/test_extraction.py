"""Extraction of many utterances: order, absence, resuming, and files that kill a worker."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mmerc.executors.executor import Executor
from mmerc.features.base import Absent
from mmerc.features.extraction import _CRASHED, Task, extract_all
from mmerc.features.journal import open_journal
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureStore
from mmerc.media.segment import Clip, Segment

SPEC = FeatureSpec(modality="audio", extractor="file-size", dim=3)


@dataclass(frozen=True)
class MakeFileSize:
    """Creates an extractor that measures files; ``log`` records the extracted files."""

    log: Path
    seconds: float = 0.0

    def __call__(self):
        return FileSize(self)


class FileSize:
    spec = SPEC

    def __init__(self, settings):
        self.settings = settings

    def extract(self, segment):
        with open(self.settings.log, "a") as log:
            log.write(segment.sound.path.name + "\n")
        time.sleep(self.settings.seconds)
        data = segment.sound.path.read_bytes()
        if data == b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        return Absent("empty file") if not data else np.full(3, len(data), np.float32)


@pytest.fixture
def tasks(tmp_path):
    """Twelve files of 0 to 11 bytes."""
    return [task(tmp_path, number, b"x" * number) for number in range(12)]


def task(folder, number, data):
    path = folder / f"file-{number}"
    path.write_bytes(data)
    return Task(conversation="c", utterance=str(number), segment=Segment(sound=Clip(path)))


@pytest.fixture
def store(tmp_path):
    return FeatureStore.create(tmp_path / "features", SPEC)


def run(tasks, make, store, jobs=1):
    reports = []
    progress = extract_all(
        tasks, make, store, executor=Executor(jobs=jobs), report=lambda p: reports.append(p.done)
    )
    return progress, reports


@pytest.mark.parametrize("jobs", [1, 2])
def test_result_does_not_depend_on_the_number_of_processes(tasks, store, tmp_path, jobs):
    progress, reports = run(tasks, MakeFileSize(tmp_path / "log"), store, jobs)
    rows = store.read().rows
    assert {key[1]: None if r.vector is None else r.vector.tolist() for key, r in rows.items()} == {
        str(n): [n, n, n] if n else None for n in range(12)
    }
    assert rows["c", "0"].absent_because == "empty file"
    assert progress.absent == {"empty file": 1}
    assert reports == list(range(1, 13))
    assert progress.remaining == 0
    assert not (store.directory / "journal.arrows").exists()


def test_stored_vectors_are_not_extracted_again(tasks, store, tmp_path):
    log = tmp_path / "log"
    run(tasks[:5], MakeFileSize(log), store)
    progress, reports = run(tasks, MakeFileSize(log), store)
    assert sorted(log.read_text().split()) == sorted(t.segment.sound.path.name for t in tasks)
    assert reports == list(range(6, 13))
    assert progress.absent == {"empty file": 1}  # recorded in the first run, still counted
    assert len(store.parts()) == 2


def test_utterances_that_share_their_media_share_the_work(tasks, store, tmp_path):
    twins = [replace(task, conversation="twin") for task in tasks]
    progress, reports = run([*tasks, *twins], MakeFileSize(tmp_path / "log"), store)
    assert len((tmp_path / "log").read_text().split()) == 12
    assert reports == list(range(2, 25, 2))
    assert progress.absent == {"empty file": 2}
    rows = store.read().rows
    assert all(np.array_equal(rows["c", str(n)].vector, [n] * 3) for n in range(1, 12))
    assert all(np.array_equal(rows["twin", str(n)].vector, [n] * 3) for n in range(1, 12))


def test_file_that_kills_its_worker_is_absent_and_others_are_stored(tasks, store, tmp_path):
    tasks[4] = task(tmp_path, 4, b"crash")
    tasks[9] = task(tmp_path, 9, b"crash")
    progress, _ = run(tasks, MakeFileSize(tmp_path / "log"), store, 2)
    rows = store.read().rows
    assert progress.absent == {"empty file": 1, _CRASHED: 2}
    assert {key[1] for key, row in rows.items() if row.absent_because == _CRASHED} == {"4", "9"}
    assert sum(row.vector is not None for row in rows.values()) == 9


def test_crash_costs_only_its_own_utterance_of_a_run(tmp_path, store):
    """Utterances of one video are extracted in runs; those of a crashed run are retried."""
    film = Clip(tmp_path / "film")
    parts = [task(tmp_path, number, b"x" * (number + 1)) for number in range(40)]
    parts[3] = task(tmp_path, 3, b"crash")
    tasks = [replace(item, segment=replace(item.segment, film=film)) for item in parts]
    progress, reports = run(tasks, MakeFileSize(tmp_path / "log"), store, 2)
    rows = store.read().rows
    assert progress.absent == {_CRASHED: 1}
    assert reports == list(range(1, 41))
    assert rows["c", "3"].absent_because == _CRASHED
    others = (key for key in rows if key != ("c", "3"))
    assert all(np.array_equal(rows[key].vector, [int(key[1]) + 1] * 3) for key in others)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_extraction import MakeFileSize, SPEC, Task
from mmerc.executors.executor import Executor
from mmerc.features.extraction import extract_all
from mmerc.features.store import FeatureStore
from mmerc.media.segment import Clip, Segment

if __name__ == "__main__":
    folder = Path({folder!r})
    tasks = [
        Task(conversation="c", utterance=str(n), segment=Segment(sound=Clip(path)))
        for n, path in ((n, folder / f"file-{{n}}") for n in range(12))
    ]
    store = FeatureStore.create(folder / "features", SPEC)
    def report(progress):
        print(progress.done, flush=True)
    make = MakeFileSize(folder / "log", seconds=0.1)
    extract_all(tasks, make, store, executor=Executor(jobs={workers}), report=report)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_run_keeps_finished_vectors(tasks, store, tmp_path, workers):
    script = tmp_path / "run.py"
    tests = str(Path(__file__).parent)
    script.write_text(KILLED.format(tests=tests, folder=str(tmp_path), workers=workers))
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.strip() == "5":
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    log = tmp_path / "log"
    done_before = len(log.read_text().split())
    with open_journal(store) as journal:
        assert journal.rows == []
        rescued = len(store.read().rows)
    assert rescued >= 5
    _, reports = run(tasks, MakeFileSize(log), store)
    assert len(reports) == 12 - rescued
    assert len(store.read().rows) == 12
    under_way = 0 if workers == 1 else 4
    assert len(log.read_text().split()) - 12 <= max(done_before - rescued, under_way) + 1


def test_truncated_journal_gives_its_complete_rows(store):
    row = FeatureRow(conversation="c", utterance="1", vector=np.ones(3, np.float32))
    other = FeatureRow(conversation="c", utterance="2", vector=None, absent_because="silence")
    path = store.directory / "journal.arrows"
    with pytest.raises(KeyboardInterrupt), open_journal(store) as journal:
        journal.add(row)
        size = path.stat().st_size
        journal.add(other)
        whole = path.read_bytes()
        raise KeyboardInterrupt
    for cut in (size, (size + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        for part in store.parts():
            part.unlink()
        with open_journal(store):
            assert ("c", "1") in store.read().rows
    path.write_bytes(whole)
    with open_journal(store):
        assert store.read().rows["c", "2"].absent_because == "silence"


def test_non_finite_vector_is_refused_before_storing(store):
    bad = FeatureRow(conversation="c", utterance="1", vector=np.array([1, np.nan, 2], np.float32))
    with pytest.raises(Exception, match="number 1 is nan"), open_journal(store) as journal:
        journal.add(bad)
    with open_journal(store):
        assert store.read().rows == {}
