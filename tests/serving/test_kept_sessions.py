"""Live sessions whose sound is kept as a job: nothing is lost in any failure."""

import errno
import os
import resource
import wave
from types import SimpleNamespace

import av
import numpy as np
import pytest

from mmerc.inference.analysis import Analysis
from mmerc.labels import MELD_7
from mmerc.serving.job_order import JobOrder
from mmerc.serving.jobs import Jobs
from mmerc.serving.live import kept_recording
from mmerc.serving.live.kept_recording import (
    AbandonedRecordings,
    KeptRecording,
    recover_recordings,
)
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.session_worker import SessionWorker
from mmerc.serving.live.sound_decoding import create_decoder

ANALYSIS = Analysis(
    recording="talk.wav", duration=0.1, model="m", labels=MELD_7, predictions=(), absent={}
)


def test_kept_recording_survives_the_server(tmp_path):
    jobs = Jobs(tmp_path, max_jobs=2)
    samples = np.arange(-800, 800, dtype="<i2").tobytes()
    kept = KeptRecording(jobs, "talk", "pcm_s16le")
    kept.append(samples)
    with av.open(str(kept.folder / "recording")) as container:  # the state left by a killed server
        decoded = [frame.to_ndarray() for frame in container.decode(audio=0)]
    assert np.concatenate(decoded, axis=1).astype("<i2").tobytes() == samples
    recover_recordings(jobs)
    jobs.recover()
    assert (jobs.get(kept.job).state, jobs.get(kept.job).name) == ("queued", "talk.wav")
    (kept.folder / "live-name").write_text("talk.wav")  # as left by a server killed at this moment
    assert jobs.claim().id == kept.job
    recover_recordings(jobs)
    assert jobs.get(kept.job).state == "running"
    other = KeptRecording(jobs, "talk", "pcm_s16le")
    with pytest.raises(RefusedError, match="queue of jobs is full"):
        KeptRecording(jobs, "third", "pcm_s16le")
    other.append(samples)
    other.save(ANALYSIS)
    with wave.open(str(other.folder / "recording")) as stored:
        assert stored.readframes(stored.getnframes()) == samples
    assert jobs.get(other.job).state == "done"
    assert (other.folder / "results" / "result.html").is_file()
    jobs.close()


def test_unreadable_marker_does_not_stop_others(tmp_path):
    jobs = Jobs(tmp_path, max_jobs=3)
    first, unreadable, last = (KeptRecording(jobs, "talk", "pcm_s16le") for _ in range(3))
    mark = unreadable.folder / "live-name"
    mark.unlink()
    mark.mkdir()
    recover_recordings(jobs)
    found = [jobs.get(item.job) for item in (first, unreadable, last)]
    assert [job.state for job in found] == ["queued"] * 3
    assert [job.name for job in found] == ["talk.wav", "live.wav", "talk.wav"]
    jobs.close()


def test_growing_recordings_are_kept_and_abandoned_ones_found(tmp_path, monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(kept_recording, "time", clock)
    jobs = Jobs(tmp_path, max_jobs=3, shared=True)
    growing, gone, own = (KeptRecording(jobs, "talk", "pcm_s16le") for _ in range(3))
    abandoned = AbandonedRecordings(jobs, idle=600)

    def states(now):
        clock.now = now
        growing.append(bytes(320))
        os.utime(growing.folder / "recording", (4e9 + now, 4e9 + now))
        abandoned.look(running={own.job})
        jobs.expire(keep=60)
        return [jobs.get(item.job).state for item in (growing, gone, own)]

    for path in (item.folder / "recording" for item in (gone, own)):
        os.utime(path, (1.0, 1.0))  # long ago, unless the clock has jumped
    assert states(0.0) == states(599.0) == ["uploading"] * 3
    assert states(600.0) == ["uploading", "queued", "uploading"]
    assert jobs.get(gone.job).name == "talk.wav"
    jobs.close()


def test_refused_audio_is_not_kept():
    worker = SessionWorker.__new__(SessionWorker)
    stored = []
    worker.decoder = create_decoder("pcm_s16le", 16000)
    worker.engine = SimpleNamespace(feed_sound=lambda samples: [])
    worker.kept = SimpleNamespace(append=stored.append)
    worker.seconds, worker.cut = 0.0, None
    (refusal,) = worker.process([b"\0" * 320, b"\0" * 321, b"\1" * 320])
    assert refusal.code == "sound" and stored == [b"\0" * 320, b"\1" * 320]


@pytest.mark.parametrize("broken", ["results", "database"])
def test_audio_with_unwritable_results_is_analysed_later(tmp_path, monkeypatch, broken):
    """The disk is full when a session ends."""
    jobs = Jobs(tmp_path, max_jobs=1)
    worker = SessionWorker.__new__(SessionWorker)
    worker.start = SimpleNamespace(name="talk")
    worker.decoder = SimpleNamespace(close=lambda: np.zeros(0, np.float32))
    worker.engine = SimpleNamespace(
        feed_sound=lambda samples: [], finish=list, analysis=lambda name: ANALYSIS
    )
    worker.kept, worker.cut = KeptRecording(jobs, "talk", "pcm_s16le"), None
    kept = worker.kept
    kept.append(bytes(320))

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    if broken == "results":
        monkeypatch.setattr(kept_recording, "write_results", fail)
    else:
        jobs.execute("PRAGMA query_only = ON")
    (error,), analysis, job = worker.finish()
    assert (error.code, error.fatal, analysis, job) == ("disk", False, ANALYSIS, kept.job)
    assert ("disk is full" in error.message) == (broken == "results")
    assert "The sound is kept" in error.message
    if broken == "database":
        assert jobs.get(job).state == "uploading"
        jobs.execute("PRAGMA query_only = OFF")
        recover_recordings(jobs)  # as after ten minutes, or at the next start
    assert (jobs.get(job).state, jobs.get(job).name) == ("queued", "talk.wav")
    with wave.open(str(kept.folder / "recording")) as stored:
        assert stored.readframes(stored.getnframes()) == bytes(320)
    jobs.close()


def test_audio_stored_before_the_disk_filled_is_kept(tmp_path):
    jobs, (samples, more) = Jobs(tmp_path, max_jobs=1), (b"\1" * 320, b"\2" * 320)
    worker = SessionWorker.__new__(SessionWorker)
    worker.start, worker.seconds, worker.cut = SimpleNamespace(name="talk"), 0.0, None
    worker.decoder = create_decoder("pcm_s16le", 16000)
    worker.engine = SimpleNamespace(
        feed_sound=lambda samples: [], finish=list, analysis=lambda name: ANALYSIS
    )
    worker.kept = kept = KeptRecording(jobs, "talk", "pcm_s16le")
    assert worker.process([samples]) == []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (44 + 320 + 99, before[1]))
    try:
        (error,) = worker.process([more, more])  # reported once; 99 bytes still fit
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (error.code, error.fatal) == ("disk", False)
    assert "Only the first 0.0 s of the sound are kept." in error.message
    assert worker.process([more]) == []  # there is space again, but a gap would shift the rest
    assert JobOrder.read(kept.folder).cut == error.message  # if it is analysed as a job
    outputs, analysis, job = worker.finish()
    assert (outputs, job, analysis.remarks) == ([], kept.job, (error.message,))
    with wave.open(str(kept.folder / "recording")) as stored:
        assert stored.readframes(stored.getnframes()) == samples
    page = (kept.folder / "results" / "result.html").read_text()
    assert "Only the first 0.0 s of the sound are kept." in page
    ended = jobs.get(job)
    assert (ended.state, ended.reasons) == ("partial", [error.message])
    jobs.close()


def test_conversation_without_a_summary_keeps_its_audio(tmp_path):
    jobs = Jobs(tmp_path, max_jobs=1)
    worker = SessionWorker.__new__(SessionWorker)
    worker.closed, worker.cut = False, None
    worker.decoder = SimpleNamespace(close=lambda: np.zeros(0, np.float32))
    worker.engine = SimpleNamespace(feed_sound=lambda samples: [], finish=list)  # no analysis
    worker.kept = KeptRecording(jobs, "talk", "pcm_s16le")
    with pytest.raises(AttributeError):
        worker.finish()
    assert jobs.get(worker.abandon()).state == "queued"
    jobs.close()
