"""Work on a local Ray cluster, and what becomes of the rest when one item fails."""

import os
import signal
import time

import pytest

from mmerc.errors import InputError, MmercError
from mmerc.executors.executor import Executor

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with pytest.MonkeyPatch.context() as patched:
        # workers give way to everybody else by default, and hardly run on a busy machine
        patched.setenv("RAY_worker_niceness", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def test_results_come_in_the_order_of_the_items():
    def double(number):
        return 2 * number

    assert Executor(jobs=2, engine="ray").map(double, range(5)) == [0, 2, 4, 6, 8]
    assert Executor(jobs=2, engine="ray").map(double, []) == []


def test_a_failure_is_the_same_sentence_as_here(tmp_path):
    folder = str(tmp_path)

    def fail(number):
        if number == 0:
            open(f"{folder}/failing", "w").close()
            raise InputError("disk", "cannot be written (no space left on device)", "free space")
        while not os.path.exists(f"{folder}/failing"):  # noqa: PTH110, it travels without pathlib
            time.sleep(0.01)
        time.sleep(2)  # under way while the failure is heard of
        with open(f"{folder}/{number}", "w") as file:
            file.write("done")

    with pytest.raises(InputError, match=r"^disk: cannot be written \(no space left"):
        Executor(jobs=2, engine="ray").map(fail, range(6))
    assert {path.name for path in tmp_path.iterdir()} == {"failing", "1"}


def test_a_worker_that_is_killed():
    def die(number):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(MmercError, match="worker process was killed"):
        Executor(jobs=1, engine="ray").map(die, [1])
