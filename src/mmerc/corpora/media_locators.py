"""Locate an utterance's sound and film in the media folder of its corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError
from mmerc.media.segment import Clip, Segment

Locate = Callable[[Conversation, Utterance], Segment]


def locate_in_file(media: Path) -> Locate:
    """Locate the utterance's part of its own or its conversation's file.

    Times refer to the conversation; ``media_start`` is the time at which the file starts.
    """

    def locate(conversation: Conversation, utterance: Utterance) -> Segment:
        owner = utterance if utterance.media is not None else conversation
        begin = owner.media_start or 0.0
        start = None if utterance.start is None else max(0.0, utterance.start - begin)
        end = None if utterance.end is None else max(0.0, utterance.end - begin)
        clip = clip_inside(media, owner.media, start=start, end=end)
        return Segment(sound=clip, film=clip)

    return locate


def locate_whole_file(media: Path) -> Locate:
    """Locate the utterance's own file as a whole; its times refer to the dialogue."""

    def locate(conversation: Conversation, utterance: Utterance) -> Segment:
        clip = clip_inside(media, utterance.media)
        return Segment(sound=clip, film=clip)

    return locate


def clip_inside(
    folder: Path,
    name: str | None,
    *,
    start: float | None = None,
    end: float | None = None,
) -> Clip | None:
    """Return a part of the file ``name``; InputError if it is outside ``folder``."""
    if name is None:
        return None
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        problem = f"the media name {name[:80]!r} points outside the folder"
        raise InputError(folder, problem, "name media inside it")
    return Clip(path, start=start, end=end)
