"""Media of a prepared corpus: extraction tasks and sound clips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mmerc.conversation import Conversation
from mmerc.corpora.media_locators import Locate, locate_in_file
from mmerc.corpora.registry import reader_of_corpus
from mmerc.data.clip_durations import check_clip_times
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.sounds import Sounds
from mmerc.errors import InputError
from mmerc.features.extraction import Task


def corpus_tasks(corpus: PreparedCorpus, media: str | Path) -> list[Task]:
    """Create an extraction task for every utterance of all splits.

    ``media`` is the raw corpus's folder; InputError if it is not a folder.
    """
    conversations = [item for split in corpus.splits.values() for item in split]
    locate = _media_locator(corpus, Path(media), conversations)
    return [
        Task(conversation=item.id, utterance=utterance.id, segment=locate(item, utterance))
        for item in conversations
        for utterance in item.utterances
    ]


def add_corpus_sounds(corpus: PreparedCorpus, media: str | Path | None) -> PreparedCorpus:
    """Return the corpus with its utterances' sound clips; None returns it unchanged.

    ``media`` is the raw corpus's folder; InputError if it is not a folder, or most utterances start
    after the end of their own file.
    """
    if media is None:
        return corpus
    conversations = [item for split in corpus.splits.values() for item in split]
    locate = _media_locator(corpus, Path(media), ())
    sounds = _find_sounds(locate, conversations)
    if any(clip.start for clip in sounds.values()):
        check_clip_times(corpus.name, conversations, locate)
    return replace(corpus, sounds=sounds)


def check_media_times(corpus: PreparedCorpus, media: str | Path) -> tuple[str, ...]:
    """Return remarks on media files whose durations do not match the utterances' times.

    InputError if most utterances start after the end of their own file.
    """
    conversations = [item for split in corpus.splits.values() for item in split]
    locate = _media_locator(corpus, Path(media), ())
    return check_clip_times(corpus.name, conversations, locate)


def conversation_sounds(conversations: Iterable[Conversation], media: str | Path) -> Sounds:
    """Find the sound clips of conversations with files in the folder ``media``.

    InputError if it is not a folder.
    """
    folder = Path(media)
    _check_media_folder(folder)
    return _find_sounds(locate_in_file(folder.resolve()), conversations)


def _find_sounds(locate: Locate, conversations: Iterable[Conversation]) -> Sounds:
    """Find the sound clips of utterances, by conversation and utterance."""
    clips = {
        (conversation.id, utterance.id): locate(conversation, utterance).sound
        for conversation in conversations
        for utterance in conversation.utterances
    }
    return {key: clip for key, clip in clips.items() if clip is not None}


def _media_locator(
    corpus: PreparedCorpus, media: Path, conversations: Iterable[Conversation]
) -> Locate:
    """Return the corpus reader's locator for the folder ``media``; InputError if not a folder."""
    _check_media_folder(media)
    reader = reader_of_corpus(corpus.name, corpus.reader)
    return reader.locator(media.resolve(), conversations)


def _check_media_folder(media: Path) -> None:
    """InputError if ``media`` is not a folder."""
    if not media.is_dir():
        raise InputError(media, "not a folder", "name the folder of the media with --media")
