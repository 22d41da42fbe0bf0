"""Choose the turns or words of a media file from a file about several recordings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmerc.errors import InputError

_MOST_NAMED = 10


def choose_recording(
    path: str | Path, names: Iterable[str], media: str | Path | None, *, what: str
) -> str | None:
    """Choose the recording of a ``media`` file among those in the file at ``path``.

    It must have the media file's name, with or without suffix; a single recording can have any
    name. None if there are no recordings; InputError if none or two of several match.
    ``what``: the file's contents, turns or words.
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
