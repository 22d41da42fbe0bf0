"""Files with the turns or words of several recordings: which of these belong to a media file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmerc.errors import InputError

_MOST_NAMED = 10


def choose_recording(
    path: str | Path, names: Iterable[str], media: str | Path | None, *, what: str
) -> str | None:
    """Of the recordings that the file at ``path`` names, choose that of a ``media`` file.

    It has the media file's name, with or without its suffix. The only one is chosen whatever its
    name. None if there is none at all; InputError with the names if several are, and none or two
    fit. ``what`` the file has of them: turns, or words.
    """
    recordings = list(dict.fromkeys(names))
    if len(recordings) < 2:
        return recordings[0] if recordings else None
    listed = ", ".join(recordings[:_MOST_NAMED])
    more = f" and {len(recordings) - _MOST_NAMED} more" if len(recordings) > _MOST_NAMED else ""
    problem = f"{what} of {len(recordings)} recordings ({listed}{more})"
    if media is None:
        raise InputError(path, problem, f"keep the {what} of one recording in a file")
    media = Path(media)
    fitting = [name for name in recordings if name in {media.stem, media.name}]
    if len(fitting) == 1:
        return fitting[0]
    problem += "" if fitting else f", none of them called {media.stem}"
    fix = f"call one of them {media.stem}, or keep the {what} of one recording in a file"
    raise InputError(path, problem, fix)
