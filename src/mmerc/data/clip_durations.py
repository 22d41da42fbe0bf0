"""Compare annotated times with media files: often they refer to the dialogue, not the clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.media_locators import Locate
from mmerc.data.sounds import file_duration
from mmerc.errors import InputError
from mmerc.media.line_remarks import enumerate_some
from mmerc.media.segment import Clip

_FACTOR, _MARGIN = 2.0, 1.0  # far longer: more than twice the annotated duration plus a second
_NEARLY_ALL = 0.5  # share of the single-utterance files; already half cannot be chance
_FIX = 'add "media_start", the second of the conversation at which the file starts, to the manifest'


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnFile:
    """An utterance with a media file of its own; times in seconds."""

    utterance: Utterance
    clip: Clip
    duration: float

    @property
    def begins_past_end(self) -> bool:
        """Whether the utterance starts after the end of the file."""
        return self.clip.start is not None and self.clip.start >= self.duration

    @property
    def misfit(self) -> str | None:
        """Whether the file is far "longer" or "shorter" than the utterance; else None."""
        start, end = self.utterance.start, self.utterance.end
        if start is None or end is None or self.begins_past_end:
            return None
        annotated, actual = end - start, self.duration - (self.clip.start or 0.0)
        if actual > _FACTOR * annotated + _MARGIN:
            return "longer"
        return "shorter" if annotated > _FACTOR * actual + _MARGIN else None


def check_clip_times(
    name: str, conversations: Iterable[Conversation], locate: Locate
) -> tuple[str, ...]:
    """Compare annotated times with the durations of single-utterance files.

    Returns a remark on files far longer or shorter than their utterances. InputError if most
    utterances start after the end of their own file: times then refer to the dialogue.
    """
    files = _find_own_files(conversations, locate)
    past = [file for file in files if file.begins_past_end]
    if len(past) > 1 and len(past) >= _NEARLY_ALL * len(files):
        problem = (
            f"{len(past)} of {len(files)} utterances start after the end of their own media file, "
            "so their times seem to refer to the conversation"
        )
        raise InputError(f"corpus {name!r}", problem, _FIX)
    return tuple(
        f"Media files far {kind} than their utterances' times: {len(misfits)} of {len(files)} "
        f"({enumerate_some(misfits)}); check the times, or media_start."
        for kind in ("longer", "shorter")
        if (misfits := [file.clip.path.name for file in files if file.misfit == kind])
    )


def _find_own_files(conversations: Iterable[Conversation], locate: Locate) -> list[_OwnFile]:
    """Find utterances with times and a readable media file of their own."""
    clips = [
        (utterance, locate(conversation, utterance).sound)
        for conversation in conversations
        for utterance in conversation.utterances
    ]
    users = Counter(clip.path for _, clip in clips if clip is not None)
    pairs = [
        (utterance, clip)
        for utterance, clip in clips
        if clip is not None and users[clip.path] == 1 and utterance.start is not None
    ]
    durations = _read_durations([clip.path for _, clip in pairs])
    return [
        _OwnFile(utterance=utterance, clip=clip, duration=duration)
        for (utterance, clip), duration in zip(pairs, durations, strict=True)
        if duration is not None
    ]


def _read_durations(paths: Sequence[Path]) -> list[float | None]:
    """Read the duration of each file in seconds; None if unknown or unreadable."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(file_duration, paths))
