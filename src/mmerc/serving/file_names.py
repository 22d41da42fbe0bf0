"""What an uploaded file may be called, and as what its files are given out."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mmerc.media.subtitles import FORMATS

LONGEST_NAME = 120  # bytes; a name with an ending must fit into 255 wherever it is saved
MEDIA_TYPES = {
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
UNKNOWN_TYPE = "application/octet-stream"
OTHERWISE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown_name(given: str) -> str:
    """The last part of a name that a client gave, without what a file or a text cannot hold.

    It names no file here: what is uploaded always lies in ``recording``. An ending that is none of
    a recording is followed by ``.media``, so that nothing is ever given out as a page or a result.
    """
    last = OTHERWISE.sub("", re.split(r"[/\\]", given)[-1]).strip(" .")
    path = PurePosixPath(last or "recording")
    ending = path.suffix if path.suffix.lower() in MEDIA_TYPES else ""
    stem = path.stem if ending else path.name
    short = stem.encode()[:LONGEST_NAME].decode(errors="ignore") or "recording"
    return short + (ending or ".media")


def stem_of(name: str) -> str:
    """What the results of a recording are called, without their endings."""
    return PurePosixPath(name).stem


def media_type(name: str) -> str:
    """The type of a recording by its ending, one that no browser runs."""
    return MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), UNKNOWN_TYPE)


def subtitle_file(given: str) -> str | None:
    """Where uploaded subtitles lie: the ending tells their format; None where it is unknown."""
    ending = PurePosixPath(given).suffix.lower()
    return f"subtitles{ending}" if ending in FORMATS else None
