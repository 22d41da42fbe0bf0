"""Jobs shared by several processes: claimed once, and run again if abandoned."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from server_process import PATIENCE, Server, children, command_line, until

from mmerc.errors import MmercError
from mmerc.inference.pipeline.progress import Step
from mmerc.serving import jobs as jobs_module
from mmerc.serving.canaries import find_workers
from mmerc.serving.jobs import Jobs
from mmerc.serving.jobs_database import DatabaseError, PostgresDatabase


def postgres_program(name):
    """A program of Debian's PostgreSQL package."""
    paths = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (paths[-1] if paths else None)


@pytest.fixture(scope="module")
def postgres():
    """The address of a private PostgreSQL server that listens only on a Unix socket."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    programs = [postgres_program(name) for name in ("initdb", "postgres")]
    if None in programs:
        pytest.skip("there is no PostgreSQL server (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="mmerc-postgres-") as folder:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        else:
            user = {}
        initialise = [programs[0], "-D", f"{folder}/data", "-U", "mmerc", "-A", "trust", "-N"]
        subprocess.run(initialise, check=True, capture_output=True, cwd="/", **user)
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
        options = [word for setting in settings for word in ("-c", setting)]
        with open(f"{folder}/log", "w") as log:
            process = subprocess.Popen(
                [programs[1], "-D", f"{folder}/data", *options],
                stdout=log, stderr=log, cwd="/", **user,
            )  # fmt: skip
        url = f"postgresql://mmerc@/postgres?host={folder}"

        def answers():
            with suppress(MmercError):
                PostgresDatabase(url).close()
                return True

        until(answers)
        yield url
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE)


@pytest.fixture(params=["sqlite", "postgres"])
def share(request, tmp_path):
    """A function that opens the same jobs again, like another process."""
    opened, url = [], None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres")

    def open_again(**settings):
        database = PostgresDatabase(url) if url else None
        opened.append(Jobs(tmp_path, database=database, shared=True, **{"max_jobs": 9} | settings))
        return opened[-1]

    yield open_again
    opened[0].execute("DELETE FROM jobs")
    opened[0].execute("DELETE FROM processes")
    for jobs in opened:
        jobs.close()


def accepted(jobs):
    job = jobs.reserve()
    jobs.accept(job, "talk.mp4")
    return job


def in_threads(function, arguments):
    threads = [threading.Thread(target=function, args=(item,)) for item in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_jobs_are_claimed_once_and_slots_are_counted_together(share):
    processes = [share() for _ in range(3)]
    reserved, claimed = [], []
    in_threads(lambda jobs: reserved.extend(jobs.reserve() for _ in range(4)), processes)
    assert Counter(job is None for job in reserved) == {False: 9, True: 3}
    for job in filter(None, reserved):
        processes[0].accept(job, "talk.mp4")
    in_threads(lambda jobs: claimed.extend(jobs.claim() for _ in range(4)), processes)
    assert Counter(job.id for job in claimed if job) == {job: 1 for job in reserved if job}
    assert len({job.claim for job in claimed if job}) == 9


def test_abandoned_job_is_taken_over_and_its_first_worker_loses_access(share, monkeypatch):
    first, second = share(), share()
    job = accepted(first)
    ours = first.claim()
    assert first.renew(job, ours.claim) and second.claim() is None
    monkeypatch.setattr(jobs_module, "LEASE", -1.0)
    assert first.renew(job, ours.claim)  # for a lease that expires immediately
    monkeypatch.setattr(jobs_module, "LEASE", 15.0)
    theirs = second.claim()
    assert (theirs.id, theirs.deaths, theirs.claim != ours.claim) == (job, 1, True)
    assert first.claim() is None
    assert not first.renew(job, ours.claim)
    assert not first.advance(job, Step("audio", 1, 2), claim=ours.claim)
    first.end(job, "failed", ["too late"], claim=ours.claim)
    first.requeue(job, died=True, claim=ours.claim)
    assert second.advance(job, Step("audio", 2, 2), claim=theirs.claim)
    second.end(job, "partial", ["No faces.", "No voices."], claim=theirs.claim)
    ended = first.get(job)
    assert (ended.state, ended.done, ended.deaths) == ("partial", 2, 1)
    assert ended.reasons == ["No faces.", "No voices."]


def test_lease_from_before_a_clock_change_is_invalid(share):
    jobs = share()
    job = accepted(jobs)
    claim = jobs.claim().claim
    jobs.change(job, "lease = ?", (jobs.database.now() + 3600,))
    assert jobs.claim().claim != claim


def test_processes_share_the_job_list(share, monkeypatch):
    front, worker = share(), share()
    assert front.processes() == []
    assert find_workers(front).startswith("No worker has reported recently")
    worker.report(jobs=1, problem="The transcriber fails.")
    worker.report(jobs=1, problem=None)
    ((seen),) = front.processes()
    assert (seen.id, seen.jobs, seen.problem) == (worker.process, 1, None)
    assert find_workers(front) is None
    with monkeypatch.context() as patch:
        patch.setattr(jobs_module, "_ALIVE", -1.0)  # it has been killed
        assert find_workers(front).startswith("No worker has reported recently")
    front.check_files()
    front.check_database()
    assert len(front.processes()) == 2


def test_shared_folders_without_a_job_are_deleted_only_when_old(share):
    jobs = share()
    job = accepted(jobs)
    jobs.folder(job).rmdir()  # like an unmounted disk
    for name, age in (("new", 0), ("old", 1000)):
        (jobs.root / name).mkdir()
        os.utime(jobs.root / name, (time.time() - age,) * 2)
    jobs.sweep()
    assert [path.name for path in jobs.root.iterdir()] == ["new"]
    assert jobs.get(job) is not None


def test_lost_connection_is_reopened(postgres, tmp_path):
    jobs, other = (
        Jobs(tmp_path, max_jobs=1, database=PostgresDatabase(postgres), shared=True)
        for _ in range(2)
    )
    ((number,),) = jobs.execute("SELECT pg_backend_pid()")
    other.execute("SELECT pg_terminate_backend(?)", (number,))
    with pytest.raises(DatabaseError, match="cannot be reached"):
        until(lambda: jobs.counts() is None)
    assert jobs.counts()["queued"] == 0
    for opened in (jobs, other):
        opened.close()


def test_unusable_database_error_hides_the_password(postgres):
    with pytest.raises(MmercError, match="--jobs-database") as caught:
        PostgresDatabase(postgres.replace("mmerc@", "nobody:secret@"))
    assert "secret" not in str(caught.value)


def test_jobs_of_an_earlier_version_are_read(tmp_path):
    database = sqlite3.connect(tmp_path / "jobs.sqlite")
    database.execute("""
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'up',
            stage TEXT, done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
            reason TEXT, deaths INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, ended REAL
        ) STRICT
    """)
    for name, state in (("a", "queued"), ("b", "done"), ("c", "failed")):
        values = (name, f"{name}.mp4", state, None if state != "failed" else "No sound.")
        database.execute(
            "INSERT INTO jobs (id, name, state, reason, created) VALUES (?, ?, ?, ?, 1.0)", values
        )
    database.commit()
    database.close()
    jobs = Jobs(tmp_path, max_jobs=3)
    assert jobs.get("b").has_results and jobs.get("c").reasons == ["No sound."]
    assert jobs.claim().id == "a"
    jobs.close()


def test_worker_that_is_killed_is_replaced_by_another(
    request, tmp_path, model, film, subtitles, program
):
    """A server without workers of its own, and two of `mmerc worker`."""
    database = ()
    if postgres_program("initdb") is not None:
        database = ("--jobs-database", request.getfixturevalue("postgres"))
    server = Server(
        program, tmp_path / "shared", model, "--shared-jobs", "--max-running-jobs", "0", *database
    )
    options = ("worker", "--jobs-folder", server.folder, "--model", model, *database)
    workers = []
    try:
        workers += [program.start(*options, stderr=tmp_path / "first.log")]
        job = server.upload(film, subtitles).json()["id"]
        until(lambda: server.job(job)["state"] == "running" and forked(workers[0]))
        workers[0].kill()
        workers += [program.start(*options, stderr=tmp_path / "second.log")]
        assert server.wait(job, "done", "failed")["state"] == "done"
        assert (tmp_path / "second.log").read_text().count(f"job {job[:8]} starts") == 1
        until(lambda: server.ask("GET", "/ready").ok)
    finally:
        for worker in workers:
            worker.kill()
        server.kill()


def test_worker_without_its_model_does_not_start(tmp_path, program):
    log = tmp_path / "log"
    worker = program.start(
        "worker", "--jobs-folder", tmp_path / "jobs", "--model", tmp_path / "none", stderr=log
    )
    assert worker.wait(timeout=PATIENCE) == 1
    last = log.read_text().splitlines()[-1]
    assert last.startswith(f"mmerc: {tmp_path / 'none'} is neither a run or model folder")


def test_server_without_its_live_model_does_not_start(tmp_path, model, program):
    log, missing = tmp_path / "log", tmp_path / "none"
    places = ("--jobs-folder", tmp_path / "jobs", "--model", model)
    server = program.start("serve", *places, "--live-model", missing, stderr=log)
    assert server.wait(timeout=PATIENCE) == 1
    last = log.read_text().splitlines()[-1]
    assert last.startswith(f"mmerc: {missing} is neither a run or model folder")


def forked(worker):
    """Processes that a worker has forked."""
    forking = [n for n in children(worker.pid) if b"resource_tracker" not in command_line(n)]
    return [number for one in forking for number in children(one)]
