"""Names of uploaded files and their media types."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mmerc.media.subtitles import FORMATS

_MAX_NAME = 120  # bytes; with suffixes, names must fit into 255
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
    """Return the last part of a client's file name, without unsafe characters.

    It is not a file name on the server: an upload is always stored as ``recording``. ``.media`` is
    appended unless the suffix is a recording's, so that no upload is served as a page or result.
    """
    last = _UNSAFE.sub("", re.split(r"[/\\]", file_name)[-1]).strip(" .")
    path = PurePosixPath(last or "recording")
    ending = path.suffix if path.suffix.lower() in _MEDIA_TYPES else ""
    stem = path.stem if ending else path.name
    short = stem.encode()[:_MAX_NAME].decode(errors="ignore") or "recording"
    return short + (ending or ".media")


def result_stem(name: str) -> str:
    """Return the name of a recording's results, without suffixes."""
    return PurePosixPath(name).stem


def media_type(name: str) -> str:
    """Return the media type of a recording by suffix; none is executable in a browser."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), _UNKNOWN_TYPE)


def subtitle_file(file_name: str) -> str | None:
    """Return the file name for storing uploaded subtitles; None for an unknown format."""
    ending = PurePosixPath(file_name).suffix.lower()
    return f"subtitles{ending}" if ending in FORMATS else None
