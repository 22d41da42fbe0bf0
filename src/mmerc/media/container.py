"""Open media files safely: only the file itself, nothing that it refers to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from mmerc.media.languages import language_code
from mmerc.media.ogg_links import ByteRange, FilePart
from mmerc.media.segment import MediaError

LARGEST_SIDE = 8192
_HIGHEST_RATE = 768_000  # samples per second; headers with higher rates are invalid
# Only containers with samples: a playlist (m3u8, ffconcat, mpd, sdp) would open other files.
_FORMATS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,gif,matroska,mov,mp3,mpeg,mpegts,ogg,w64,wav,wv"
)
LIMITS = {"max_pixels": str(LARGEST_SIDE**2)}
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS, **LIMITS}


class Reason(StrEnum):
    """The reason why a modality is not available from a file, with the fix."""

    fix: str

    NO_FILE = "no such file", "check the path"
    SPECIAL = "a pipe or device, not a file", "save its output as a file first"
    UNREADABLE = "the file cannot be read", "check its permissions"
    EMPTY = "empty file", "fetch or record it again"
    NOT_MEDIA = "not media, or damaged", "play it to see what is left, and convert or replace it"
    ENCRYPTED = "encrypted", "give a copy without protection"
    NO_SOUND = "no sound in the file", "give a file with a sound track in a common codec"
    NO_FILM = "no film in the file", "give a file with a video track in a common codec"
    PAST_SOUND = "past the end of the sound", "check the time against the file"
    PAST_FILM = "past the end of the film", "check the time against the file"
    TOO_SHORT = "no sound between these times", "check them against the file"
    MANY_CHANNELS = "more than 64 channels of sound", "give a mix of them"
    TOO_LARGE = "larger than 8192 x 8192 pixels", "scale it down"

    def __new__(cls, text: str, fix: str) -> Reason:
        reason = str.__new__(cls, text)
        reason._value_ = text
        reason.fix = fix
        return reason

    def at(self, where: object) -> MediaError:
        """Return the error to raise for the file ``where``."""
        return MediaError(where, self.value, self.fix)


def open_media(path: Path, *, part: ByteRange | None = None) -> InputContainer:
    """Open a local media file, regardless of its suffix, or a ``part`` of it.

    MediaError if the file is missing, empty, unreadable or not media.
    """
    if not path.is_file():
        special = path.exists() and not path.is_dir()
        raise (Reason.SPECIAL if special else Reason.NO_FILE).at(path)
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise Reason.UNREADABLE.at(path) from error
    if empty:
        raise Reason.EMPTY.at(path)
    try:
        source = f"file:{path}" if part is None else FilePart(path, part)
        return av.open(source, "r", options=_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        raise Reason.NOT_MEDIA.at(path) from error


def sound_stream(container: InputContainer, path: Path) -> AudioStream:
    """Return the main audio track that can be decoded; MediaError if there is none."""
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream) or not has_decoder(stream):
        stream = next(filter(has_decoder, container.streams.audio), None)
    if stream is None:
        raise Reason.NO_SOUND.at(path)
    if stream.sample_rate > _HIGHEST_RATE:
        raise Reason.NOT_MEDIA.at(path)
    return stream


def first_film(container: InputContainer) -> VideoStream | None:
    """Return the first decodable video track that is not a cover picture."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    for stream in container.streams.video:
        if has_decoder(stream) and not stream.disposition & still:
            return stream
    return None


def film_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the film of a file; MediaError if it has none or it is too large."""
    stream = first_film(container)
    if stream is None:
        raise Reason.NO_FILM.at(path)
    if max(stream.width, stream.height) > LARGEST_SIDE:
        raise Reason.TOO_LARGE.at(path)
    return stream


def stated_language(stream: AudioStream | SubtitleStream) -> str | None:
    """Return a track's language code; None if the file does not state it."""
    stated = stream.metadata.get("language")
    return None if stated == "und" else language_code(stated)


def has_decoder(stream: AudioStream | VideoStream) -> bool:
    """Whether FFmpeg knows the codec; if not, PyAV has no codec context."""
    return stream.codec_context is not None
