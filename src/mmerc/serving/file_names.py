"""Names of uploaded files, and the media types under which they are served."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mmerc.media.subtitles import FORMATS

_MAX_NAME = 120  # bytes; with an ending, a name must fit into 255 wherever it is saved
_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".mpg": "video/mpeg",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
}
_UNKNOWN_TYPE = "application/octet-stream"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def display_name(file_name: str) -> str:
    """The last part of a name that a client sent, without unsafe characters.

    It names no file on the server: an upload is always stored as ``recording``. Any ending that is
    not of a recording is followed by ``.media``, so that no upload is served as a page or a result.
    """
    last = _UNSAFE.sub("", re.split(r"[/\\]", file_name)[-1]).strip(" .")
    path = PurePosixPath(last or "recording")
    ending = path.suffix if path.suffix.lower() in _MEDIA_TYPES else ""
    stem = path.stem if ending else path.name
    short = stem.encode()[:_MAX_NAME].decode(errors="ignore") or "recording"
    return short + (ending or ".media")


def result_stem(name: str) -> str:
    """The name of a recording's results, without their endings."""
    return PurePosixPath(name).stem


def media_type(name: str) -> str:
    """The media type of a recording by its ending; no browser runs any of them."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), _UNKNOWN_TYPE)


def subtitle_file(file_name: str) -> str | None:
    """The file that stores uploaded subtitles; None if their ending is not a known format."""
    ending = PurePosixPath(file_name).suffix.lower()
    return f"subtitles{ending}" if ending in FORMATS else None
