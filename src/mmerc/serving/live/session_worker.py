"""The work of one session: decoding, networks, recording. Runs in a separate thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from mmerc.errors import MmercError
from mmerc.inference.analysis import Analysis, add_shortfall
from mmerc.inference.streaming.events import LiveEvent
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.live_settings import LiveSettings
from mmerc.inference.streaming.session import LiveSession
from mmerc.media.sentences import Word
from mmerc.serving.file_names import display_name
from mmerc.serving.jobs import Jobs
from mmerc.serving.live.client_messages import ClientWords, Start
from mmerc.serving.live.jpeg_frames import decode_jpeg
from mmerc.serving.live.kept_recording import KeptRecording
from mmerc.serving.live.live_limits import PICTURES_PER_SECOND
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.sound_decoding import create_decoder
from mmerc.serving.live.webm_sound import SAMPLE_RATE
from mmerc.serving.storage_errors import DISK_FULL, NOT_WRITABLE, is_full

_MAX_AHEAD = 30.0  # seconds that a picture or word may be away from the sound


@dataclass(frozen=True, slots=True)
class TimedPicture:
    """A picture as JPEG at a time in seconds."""

    time: float
    jpeg: bytes


SessionInput = bytes | TimedPicture | ClientWords
SessionOutput = LiveEvent | RefusedError


class SessionWorker:
    """One session's decoder, networks and recording; used by one thread at a time."""

    def __init__(self, start: Start, components: LiveComponents, jobs: Jobs) -> None:
        """RefusedError if the session is unsupported."""
        self.start = start
        self.decoder = create_decoder(start.format, start.sample_rate)
        self.kept: KeptRecording | None = None
        self.cut: str | None = None  # why part of the sound is not kept
        self.closed = False
        self.seconds = 0.0
        self.misplaced = 0  # number of pictures far from the sound in time
        try:
            settings = LiveSettings(
                transcribe=start.words == "server", pictures_per_second=PICTURES_PER_SECOND
            )
            self.engine = LiveSession(components, settings)
            if start.keep:
                self.kept = KeptRecording(jobs, start.name, start.format)
        except BaseException:
            self.decoder.close()
            raise

    def process(self, items: Iterable[SessionInput]) -> list[SessionOutput]:
        """Process input; return events, and a RefusedError for each invalid item."""
        outputs: list[SessionOutput] = []
        for item in items:
            try:
                outputs.extend(self._process_item(item))
            except RefusedError as refusal:
                outputs.append(refusal)
                if refusal.fatal:
                    break
            except MmercError as error:
                outputs.append(RefusedError("message", str(error), fatal=False))
        return outputs

    def _process_item(self, item: SessionInput) -> Iterator[SessionOutput]:
        if isinstance(item, bytes):
            samples = self.decoder.decode(item)
            yield from self._store(item)  # only accepted data: half a sample would shift the rest
            self.seconds += len(samples) / SAMPLE_RATE
            yield from self.engine.feed_sound(samples)
        elif isinstance(item, TimedPicture):
            if self._is_near(item.time):
                self.engine.feed_picture(item.time, decode_jpeg(item.jpeg))
            else:
                self.misplaced += 1
        else:
            self._check_time(item.words[-1].end)
            words = [Word(**word.model_dump()) for word in item.words]
            yield from self.engine.feed_words(words)

    def _is_near(self, time: float) -> bool:
        """Whether a time is near the received sound; a camera's clock may jump."""
        return abs(time - self.seconds) <= _MAX_AHEAD

    def _check_time(self, time: float) -> None:
        """RefusedError for a word far from the received sound."""
        if not self._is_near(time):
            problem = f"A word is at {time:.1f} s, while {self.seconds:.1f} s of sound arrived"
            raise RefusedError("message", f"{problem}; count from the first sample.", fatal=False)

    def _store(self, data: bytes) -> Iterator[RefusedError]:
        """Store the sound to keep; on a full disk, stop storing and keep earlier sound."""
        if self.kept is None or self.cut is not None:
            return
        try:
            self.kept.append(data)
        except OSError as error:
            problem = DISK_FULL if is_full(error) else NOT_WRITABLE
            self.cut = f"{problem} Only the first {self.seconds:.1f} s of the sound are kept."
            self.kept.note_cut(self.cut)
            yield RefusedError("disk", self.cut, fatal=False)

    def finish(self) -> tuple[list[SessionOutput], Analysis, str | None]:
        """Return the last events, the whole conversation, and the job that stores it, if any."""
        outputs: list[SessionOutput] = []
        outputs += self.engine.feed_sound(self.decoder.close())
        outputs += self.engine.finish()
        self.closed = True
        kept = self.kept
        analysis = self.engine.analysis(
            display_name(self.start.name) if kept is None else kept.name
        )
        if kept is None:
            return outputs, analysis, None
        self.kept = None
        if self.cut is not None:
            analysis = add_shortfall(analysis, self.cut)
        try:
            kept.save(analysis)
        except Exception as error:
            with suppress(OSError, sqlite3.Error):  # recovered later
                kept.queue()
            problem = DISK_FULL if is_full(error) else NOT_WRITABLE
            fix = "The sound is kept, and will be analysed as a job."
            outputs.append(RefusedError("disk", f"{problem} {fix}", fatal=False))
        return outputs, analysis, kept.job

    def abandon(self) -> str | None:
        """Release a failed session's resources; queue its kept sound, if any, for analysis."""
        if not self.closed:
            self.closed = True
            with suppress(Exception):
                self.decoder.close()
        kept, self.kept = self.kept, None
        if kept is None:
            return None
        with suppress(OSError, sqlite3.Error):  # recovered later
            kept.queue()
        return kept.job
