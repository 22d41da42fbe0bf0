"""The stored sound of a live session (``keep``): an ordinary job, like an upload."""

from __future__ import annotations

import struct
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mmerc.files import atomic_directory
from mmerc.inference.analysis import Analysis
from mmerc.inference.results import write_results
from mmerc.serving.file_names import display_name
from mmerc.serving.job_order import JobOrder
from mmerc.serving.jobs import Jobs, find_last_change
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.sound_decoding import SoundFormat
from mmerc.serving.live.webm_sound import SAMPLE_RATE

_MARK = "live-name"  # the file that distinguishes a session's folder from an unfinished upload's
_UNKNOWN_SIZE = 0xFFFFFFFF - 36  # bytes; readers read to the end of the file
_PCM = {"pcm_s16le": (1, 2), "pcm_f32le": (3, 4)}  # WAVE format, bytes per sample


class KeptRecording:
    """Writes sound while it arrives; ``save`` creates a finished job, ``queue`` a queued one."""

    def __init__(self, jobs: Jobs, name: str, sound_format: SoundFormat) -> None:
        """Reserve a job; RefusedError if there are too many."""
        job = jobs.reserve()
        if job is None:
            raise RefusedError(
                "busy", "The queue of jobs is full; start without keep, or try later."
            )
        self.jobs, self.job, self.sound_format = jobs, job, sound_format
        self.name = display_name(f"{name}.{'webm' if sound_format == 'webm_opus' else 'wav'}")
        self.folder = jobs.folder(job)
        self.size = 0
        try:
            (self.folder / _MARK).write_text(self.name, encoding="utf-8")
            JobOrder().write(self.folder)
            # Unbuffered, so that nothing is lost if the server is killed.
            self.file = FileIO(self.folder / "recording", "w")
            self._write(_wave_header(sound_format, _UNKNOWN_SIZE))
        except OSError:
            jobs.remove(job)
            raise

    def append(self, data: bytes) -> None:
        """Write sound; OSError on a full disk. Earlier sound stays intact.

        ``note_cut`` then records why the rest is missing.
        """
        stored = self.file.tell()
        try:
            self._write(data)
        except OSError:
            with suppress(OSError):  # remove a partial sample or packet
                self.file.truncate(stored)
            raise
        self.size += len(data)

    def note_cut(self, cut: str) -> None:
        """Note why the recording lacks its end, in case it is analysed as a job."""
        with suppress(OSError):
            JobOrder(cut=cut).overwrite(self.folder)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.file.write(rest) :]

    def _close(self) -> None:
        """Finish the file, once; OSError on a full disk."""
        if self.file.closed:
            return
        self.file.seek(0)
        self._write(_wave_header(self.sound_format, self.size))
        self.file.close()

    def queue(self) -> None:
        """Queue the recording for analysis like an upload; OSError on a full disk."""
        self._close()
        self.jobs.accept(self.job, self.name)
        self._remove_mark()

    def save(self, analysis: Analysis) -> None:
        """Write the results and finish the job; OSError on a full disk."""
        self._close()
        with atomic_directory(self.folder / "results") as staging:
            write_results(analysis, staging, stem="result")
        self.jobs.change(self.job, "name = ?", (self.name,))
        reasons = analysis.shortfalls
        self.jobs.end(self.job, "partial" if reasons else "done", reasons)
        self._remove_mark()

    def _remove_mark(self) -> None:
        """Remove the mark, after storing the job's state: a leftover mark is harmless."""
        (self.folder / _MARK).unlink(missing_ok=True)


def recover_recordings(jobs: Jobs) -> None:
    """Queue recordings of sessions whose server was killed, for analysis like uploads."""
    for mark in jobs.root.glob(f"*/{_MARK}"):
        _queue_recording(jobs, mark)


@dataclass
class AbandonedRecordings:
    """Queues recordings that are no longer written by any session.

    Their server was killed, or could not store their end. A recording counts as abandoned if its
    files do not change between two checks ``idle`` seconds apart, by this process's clock; the
    file system's clock may jump.
    """

    jobs: Jobs
    idle: float
    seen: dict[str, tuple[float, float]] = field(default_factory=dict)

    def look(self, *, running: Collection[str]) -> None:
        """Queue abandoned recordings, except those of sessions ``running`` here."""
        now, seen = time.monotonic(), {}
        for mark in self.jobs.root.glob(f"*/{_MARK}"):
            job, changed = mark.parent.name, find_last_change(mark.parent)
            before, since = self.seen.get(job, (changed, now))
            seen[job] = (changed, since if before == changed else now)
            if job not in running and now - seen[job][1] >= self.idle:
                _queue_recording(self.jobs, mark)
        self.seen = seen


def _queue_recording(jobs: Jobs, mark: Path) -> None:
    """Queue a recording, with a default name if its own is unreadable."""
    try:
        name = mark.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # its job was deleted, or another server was faster
        return
    except OSError:
        name = ""
    jobs.accept(mark.parent.name, name or display_name("live.wav"))
    with suppress(OSError):  # a leftover mark is harmless
        mark.unlink(missing_ok=True)


def _wave_header(sound_format: SoundFormat, size: int) -> bytes:
    """Return the header of a mono WAVE file with ``size`` bytes of samples; empty for WebM."""
    if sound_format == "webm_opus":
        return b""
    tag, width = _PCM[sound_format]
    sizes = (SAMPLE_RATE, SAMPLE_RATE * width, width, 8 * width)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, 1, *sizes)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
    )
