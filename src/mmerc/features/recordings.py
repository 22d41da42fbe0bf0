"""The utterances of one recording as extraction tasks."""

from __future__ import annotations

from pathlib import Path

from mmerc.conversation import Utterance
from mmerc.features.extraction import Task
from mmerc.files import encodable
from mmerc.media.segment import Clip, Segment


def conversation_id(recording: Path) -> str:
    """Return the id of a recording's conversation: its file name without suffix.

    Bytes of the name that are not valid UTF-8 become question marks.
    """
    return encodable(recording.stem)


def recording_task(recording: Path, utterance: Utterance) -> Task:
    """Create the extraction task of an utterance: its span of the recording's sound and film.

    An utterance without times or without duration has neither.
    """
    segment = Segment()
    if (
        utterance.start is not None
        and utterance.end is not None
        and utterance.end > utterance.start
    ):
        clip = Clip(recording, start=utterance.start, end=utterance.end)
        segment = Segment(sound=clip, film=clip)
    return Task(conversation=conversation_id(recording), utterance=utterance.id, segment=segment)
