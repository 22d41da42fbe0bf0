import os
import signal
import time
from concurrent.futures import Future
from contextlib import nullcontext
from multiprocessing import forkserver

import pytest
import torch

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.executors import local
from mmerc.executors.executor import Executor
from mmerc.executors.pool import NodeLostError, WorkerLostError
from mmerc.processes import available_cores

FAILURES = {
    "usage": UsageError("--x cannot be meant."),
    "plain": MmercError("The disk is full."),
    "input": InputError("/a/b", "is not there", "make it"),
    "other": ValueError("a fault"),
}


def slow_square(item):
    """The square; earlier items finish later."""
    time.sleep((4 - item) / 20)
    return item**2


def describe_worker(item):
    return (os.getpid(), torch.get_num_threads(), item)


def allocation(item):
    return os.environ.get("GLIBC_TUNABLES")


def failing(name):
    if name in FAILURES:
        raise FAILURES[name]
    return name


def killed(item):
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_results_come_in_order():
    assert Executor(jobs=2).map(slow_square, range(5)) == [0, 1, 4, 9, 16]


def test_processes_share_the_cores(monkeypatch):
    monkeypatch.setattr(local, "available_cores", lambda: 4)
    actual = Executor(jobs=2).map(describe_worker, range(4))
    assert os.getpid() not in {process for process, _, _ in actual}
    assert {threads for _, threads, _ in actual} == {2}
    monkeypatch.setattr(local, "available_cores", lambda: 1)
    assert {threads for _, threads, _ in Executor(jobs=2).map(describe_worker, range(2))} == {1}


def test_processes_come_from_imports_that_started_early():
    executor = Executor(jobs=2, preload=("wave",))
    executor.start_imports()
    server = forkserver._forkserver._forkserver_pid
    assert executor.map(abs, [-1, -2]) == [1, 2]
    assert forkserver._forkserver._forkserver_pid == server


def test_processes_are_reused():
    with Executor(jobs=2).start() as workers:
        numbers = {
            number for _ in range(3) for number, *_ in workers.map(describe_worker, range(9))
        }
        assert workers.map(describe_worker, [0]) == [(os.getpid(), torch.get_num_threads(), 0)]
    assert len(numbers) <= 2  # one may start too late for the first items, but none is replaced


@pytest.mark.parametrize("own", [None, "glibc.malloc.hugetlb=0"])
def test_large_pages_are_enabled_unless_the_user_set_them(monkeypatch, own):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if own is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", own)
    before = dict(os.environ)
    actual = Executor(jobs=2).map(allocation, range(2))
    assert actual == [own or "glibc.malloc.hugetlb=1"] * 2
    assert dict(os.environ) == before


@pytest.mark.parametrize(("jobs", "count"), [(1, 3), (0, 3), (2, 1), (2, 0)])
def test_single_item_starts_no_process(jobs, count):
    threads = torch.get_num_threads()
    assert Executor(jobs=jobs).map(describe_worker, range(count)) == [
        (os.getpid(), threads, item) for item in range(count)
    ]


def test_core_count_respects_the_process_affinity():
    assert available_cores() >= 1
    if hasattr(os, "sched_getaffinity"):
        assert available_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_exceptions_are_passed_on_unchanged(name, jobs):
    check_failure(name, jobs)


def check_failure(name, jobs):
    expected = FAILURES[name]
    with pytest.raises(type(expected)) as caught:
        Executor(jobs=jobs).map(failing, ["a", name, "b"])
    assert type(caught.value) is type(expected)
    assert str(caught.value) == str(expected)
    if isinstance(expected, InputError):
        actual = (caught.value.where, caught.value.problem, caught.value.fix)
        assert actual == (expected.where, expected.problem, expected.fix)


def test_killed_process_gives_a_one_sentence_error():
    with pytest.raises(MmercError, match="killed from outside") as caught:
        Executor(jobs=2).map(killed, range(4))
    assert "\n" not in str(caught.value)
    assert "--resume" in str(caught.value)


def test_item_that_kills_its_process_after_losing_its_machine_fails(monkeypatch):
    errors = [NodeLostError(), WorkerLostError(), WorkerLostError()]

    class Pool:
        breaks = False

        def submit(self, function, item):
            future = Future()
            future.set_exception(errors.pop(0))
            return future

        def failure(self, error):
            return error

    monkeypatch.setattr(Executor, "_open_pool", lambda *a, **k: nullcontext(Pool()))
    executor = Executor(engine="ray")
    assert list(executor.stream(lambda: str, ["x"], lost="lost {}".format)) == ["lost x"]
    assert errors == []
