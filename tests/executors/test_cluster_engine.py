"""Work, including extraction, on a local Ray cluster, and the effect of one failure."""

import os
import signal
import time

import numpy as np
import pytest
import soundfile

from mmerc.errors import InputError, MmercError
from mmerc.executors.executor import Executor
from mmerc.features.extraction import _CRASHED, Task, extract_all
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureSpec, FeatureStore
from mmerc.media.segment import Clip, Segment

ray = pytest.importorskip("ray")
RATE = 16_000


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with pytest.MonkeyPatch.context() as patched:
        # by default workers have low priority and hardly run on a busy machine
        patched.setenv("RAY_worker_niceness", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def test_results_keep_the_order_of_the_items():
    def double(number):
        return 2 * number

    assert Executor(jobs=2, engine="ray").map(double, range(5)) == [0, 2, 4, 6, 8]
    assert Executor(jobs=2, engine="ray").map(double, []) == []


def test_remote_failure_gives_the_same_message(tmp_path):
    folder = str(tmp_path)

    def fail(number):
        if number == 0:
            open(f"{folder}/failing", "w").close()
            raise InputError("disk", "cannot be written (no space left on device)", "free space")
        while not os.path.exists(f"{folder}/failing"):  # noqa: PTH110, it travels without pathlib
            time.sleep(0.01)
        time.sleep(2)  # running when the failure is reported
        with open(f"{folder}/{number}", "w") as file:
            file.write("done")

    with pytest.raises(InputError, match=r"^disk: cannot be written \(no space left"):
        Executor(jobs=2, engine="ray").map(fail, range(6))
    assert {path.name for path in tmp_path.iterdir()} == {"failing", "1"}


def test_killed_worker():
    def die(number):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(MmercError, match="worker process was killed"):
        Executor(jobs=1, engine="ray").map(die, [1])


# Extraction, with the real extractor and real files


@pytest.fixture
def tasks(tmp_path):
    """Five audio files, one of them broken."""
    for number in range(5):
        noise = 0.1 * np.random.default_rng(number).normal(size=RATE)
        soundfile.write(tmp_path / f"{number}.wav", noise.astype(np.float32), RATE)
    (tmp_path / "3.wav").write_bytes(b"no sound at all")
    return [task(tmp_path, number) for number in range(5)]


def task(folder, number):
    clip = Clip(folder / f"{number}.wav")
    return Task(conversation="c", utterance=str(number), segment=Segment(sound=clip))


def taken(tasks, executor, make, folder):
    store = FeatureStore.create(folder, make().spec)
    extract_all(tasks, make, store, executor=executor, report=lambda progress: None)
    return store.read()


def test_cluster_extracts_equal_vectors(tasks, tmp_path):
    make = NamedExtractor("is10")
    near = taken(tasks, Executor(), make, tmp_path / "here")
    far = taken(tasks, Executor(jobs=2, engine="ray"), make, tmp_path / "ray")
    assert far.content_fingerprint == near.content_fingerprint
    assert [key for key, row in far.rows.items() if row.vector is None] == [("c", "3")]


def test_file_that_kills_its_process_is_absent_and_others_are_stored(tasks, tmp_path):
    def make():
        return Deadly()

    class Deadly:  # imported here, so that it is sent with the call
        spec = FeatureSpec(modality="audio", extractor="deadly", dim=3)

        def extract(self, segment):
            if segment.sound.path.name == "2.wav":
                os.kill(os.getpid(), signal.SIGKILL)
            return np.ones(3, np.float32)

    table = taken(tasks, Executor(jobs=2, engine="ray"), make, tmp_path / "ray")
    rows = {utterance: row for (_, utterance), row in table.rows.items()}
    assert rows["2"].absent_because == _CRASHED
    assert all(rows[number].vector is not None for number in "0134")
