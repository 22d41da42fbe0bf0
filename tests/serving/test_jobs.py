"""The state of jobs on disk."""

import sqlite3
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from mmerc.inference.pipeline.progress import Step
from mmerc.serving.correction_routes import JobDesks
from mmerc.serving.job_order import JobOrder
from mmerc.serving.jobs import Jobs
from mmerc.serving.monitoring import Metrics
from mmerc.serving.runner import Lane, Runner
from mmerc.serving.settings import Settings


@pytest.fixture
def jobs(tmp_path):
    opened = Jobs(tmp_path, max_jobs=3)
    yield opened
    opened.close()


def accepted(jobs, name="talk.mp4"):
    job = jobs.reserve()
    jobs.accept(job, name)
    return job


def test_queue_is_limited_and_uploads_count(jobs):
    first, second = accepted(jobs), jobs.reserve()
    assert jobs.reserve() is not None
    assert jobs.reserve() is None
    jobs.remove(second)
    assert jobs.reserve() is not None
    jobs.end(first, "done")
    assert jobs.reserve() is not None


def test_oldest_job_runs_first_and_once(jobs):
    first, second = accepted(jobs), accepted(jobs)
    assert jobs.ahead(jobs.get(second)) == 1
    assert (jobs.claim().id, jobs.claim().id, jobs.claim()) == (first, second, None)


def test_accepted_jobs_outlive_the_server(tmp_path, jobs):
    running, queued, unfinished = accepted(jobs), accepted(jobs), jobs.reserve()
    jobs.claim()
    jobs.advance(running, Step("video", 3, 12))
    (jobs.folder(running) / "recording").write_bytes(b"film")
    (tmp_path / "jobs" / "nobody").mkdir()
    (tmp_path / "jobs" / ".canary-of-a-killed-server").touch()
    later = Jobs(tmp_path, max_jobs=3)
    later.recover()
    assert later.get(running).state == later.get(queued).state == "queued"
    assert (later.get(running).stage, later.get(running).done) == ("video", 3)
    assert later.get(unfinished) is None
    assert {path.name for path in (tmp_path / "jobs").iterdir()} == {running, queued}
    assert (later.folder(running) / "recording").read_bytes() == b"film"
    later.close()


def test_job_ends_and_expires_with_its_files(jobs):
    done, failed, queued = accepted(jobs), accepted(jobs), accepted(jobs)
    jobs.end(done, "done")
    jobs.end(failed, "failed", ["no sound in the file"])
    assert (jobs.get(done).state, jobs.get(failed).reason) == ("done", "no sound in the file")
    assert jobs.expire(keep=60) == 0
    time.sleep(0.02)
    assert jobs.expire(keep=0.01) == 2
    assert jobs.get(done) is None and not jobs.folder(failed).exists()
    assert jobs.get(queued).state == "queued"  # for any waiting time


@pytest.mark.parametrize("lost", ["folder", "row"])
def test_incomplete_files_of_a_full_disk_are_deleted(jobs, lost):
    half, whole = accepted(jobs), accepted(jobs)
    if lost == "folder":
        jobs.folder(half).rmdir()
    else:
        jobs.execute("DELETE FROM jobs WHERE id = ?", (half,))
    jobs.sweep()
    assert jobs.get(half) is None and not jobs.folder(half).exists()
    assert jobs.get(whole) is not None and jobs.folder(whole).exists()


def test_unrecorded_slot_leaves_no_folder(jobs):
    jobs.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        jobs.reserve()
    assert not any(jobs.root.iterdir())


def test_failed_commit_of_a_slot_leaves_no_folder(jobs, monkeypatch):
    @contextmanager
    def fail():
        yield
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(jobs.database, "alone", fail)
    with pytest.raises(sqlite3.OperationalError):
        jobs.reserve()
    assert not any(jobs.root.iterdir())


def test_deleted_job_accepts_no_progress(jobs):
    job = accepted(jobs)
    assert jobs.advance(job, Step("audio", 1, 2))
    assert jobs.remove(job) and not jobs.remove(job)
    assert not jobs.advance(job, Step("audio", 2, 2))
    assert not jobs.folder(job).exists()


def test_crashes_are_counted_but_restarts_are_not(jobs):
    job = accepted(jobs)
    for died, deaths in ((False, 0), (True, 1)):
        jobs.claim()
        jobs.requeue(job, died=died)
        assert (jobs.get(job).state, jobs.get(job).deaths) == ("queued", deaths)
    assert jobs.counts() == {
        "uploading": 0,
        "queued": 1,
        "running": 0,
        "done": 0,
        "partial": 0,
        "failed": 0,
    }


def test_damaged_job_fails_without_blocking_others(jobs, tmp_path):
    job = accepted(jobs)
    JobOrder(corrects="another").write(jobs.folder(job))
    (path,) = jobs.folder(job).iterdir()
    path.write_text(path.read_text().rstrip()[:-1])
    runner = Runner(jobs, Settings(folder=tmp_path), Metrics(jobs))
    runner.run_job(jobs.claim(), Lane())
    ended = jobs.get(job)
    assert ended.state == "failed" and "send it again" in ended.reason
    assert jobs.claim() is None


def test_correction_restarts_the_retention_time(jobs, monkeypatch):
    job, desks = accepted(jobs), JobDesks(SimpleNamespace(jobs=jobs))
    jobs.end(job, "done")
    monkeypatch.setattr(jobs.database, "now", lambda: 5e9)
    desks.extend(job)
    monkeypatch.setattr(jobs.database, "now", lambda: 6e9)
    desks.extend(job)  # not for every correction
    assert jobs.get(job).ended == 5e9
