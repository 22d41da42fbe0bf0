"""Worker processes: how they start, what they inherit, and how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmerc import processes
from mmerc.processes import adopt_environment, worker_context


def show(sender, environment):
    adopt_environment(environment)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    sender.send((dict(os.environ), "torch" in sys.modules, signal.SIGINT in blocked))


def ask_worker(environment):
    context = worker_context("torch")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=show, args=(sender, environment))
    process.start()
    answer = receiver.recv()
    process.join()
    return context.get_start_method(), *answer


@pytest.mark.skipif(sys.platform != "linux", reason="workers are spawned there")
def test_worker_has_slow_imports_parent_environment_and_no_interrupts():
    environment = {"PATH": os.environ["PATH"], "OWN": "1"}
    assert ask_worker(environment) == ("forkserver", environment, True, True)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("folder", ["/nonexistent", "/" + 71 * "x"])
def test_workers_are_spawned_if_no_socket_can_be_created(monkeypatch, folder):
    def find():
        if folder == "/nonexistent":
            raise FileNotFoundError("no usable temporary directory")
        return folder

    monkeypatch.setattr(processes.tempfile, "gettempdir", find)
    assert worker_context().get_start_method() == "spawn"


@pytest.mark.parametrize("folder", [None, "x" * 71], ids=["forked", "spawned"])
def test_script_without_a_guard_runs_once(tmp_path, folder):
    temporary = tmp_path if folder is None else tmp_path / folder
    temporary.mkdir(exist_ok=True)
    script = tmp_path / "script.py"
    script.write_text(
        "from mmerc.executors.local import open_processes\n"
        "print('runs', flush=True)\n"
        "with open_processes(2, threads=1) as pool:\n"
        "    print([pool.submit(abs, -n).result() for n in range(3)], __file__)\n"
    )
    environment = os.environ | {"TMPDIR": str(temporary)}
    ran = subprocess.run(
        [sys.executable, script],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (ran.stderr, ran.stdout) == ("", f"runs\n[0, 1, 2] {script}\n")


def test_imports_do_not_query_the_gpu_and_folds_do_not_load_optuna():
    """A process that has initialised CUDA must not be forked; optuna is an extra."""
    code = (
        "import gc, os\n"
        "gc.disable()\n"
        "import importlib, torch\n"
        "def fail(): raise SystemExit('asked')\n"
        "torch.cuda.is_available = torch.cuda.device_count = fail\n"
        "torch.cuda._lazy_init = fail\n"
        "from mmerc.processes import _SLOW_IMPORTS\n"
        "from mmerc.serving.worker_process import _NEEDED_BY_JOBS\n"
        "for name in (*_SLOW_IMPORTS, *_NEEDED_BY_JOBS): importlib.import_module(name)\n"
        "import sys, mmerc.experiments.reproduction.folds\n"
        "assert 'optuna' not in sys.modules\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


WAITING = """
import signal
import time
from mmerc.executors.executor import Executor

def wait(item):
    open(f"{item}", "w").close()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored, as behind `&`
    try:
        Executor(jobs=2).map(wait, ["a", "b"])
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_interrupted_program_stops_its_workers_immediately(tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING)
    process = subprocess.Popen(
        [sys.executable, "waiting.py"], cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not all((tmp_path / name).exists() for name in "ab"):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # like a terminal
    assert process.communicate(timeout=300) == ("interrupted\n", "")
    assert process.returncode == 0
    until = time.monotonic() + 60  # a worker that is ending may still be listed
    while sessions(process.pid):
        assert time.monotonic() < until, "a worker goes on"
        time.sleep(0.05)


def sessions(number):
    """Running processes of a session."""
    stats = [p.read_text().rpartition(")")[2].split() for p in Path("/proc").glob("[0-9]*/stat")]
    return [stat for stat in stats if int(stat[3]) == number and stat[0] != "Z"]
