"""Where an utterance's sound and film are in the media folder of its corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError
from mmerc.media.segment import Clip, Segment

Locate = Callable[[Conversation, Utterance], Segment]


def locate_in_file(media: Path) -> Locate:
    """Find the utterance's file, or else its conversation's, between its start and end.

    Times are those of the conversation; ``media_start`` says at which of them the file begins.
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
    """Find the utterance's own file, whole; its times are those of the dialogue."""

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
    """Part of the file ``name`` in ``folder``; InputError if the name leads out of the folder."""
    if name is None:
        return None
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        problem = f"the media name {name[:80]!r} leads out of the folder"
        raise InputError(folder, problem, "name media inside it")
    return Clip(path, start=start, end=end)
