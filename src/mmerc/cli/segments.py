"""Where the media of a prepared corpus's utterances lie: corpora meet files here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora import composed, iemocap
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.sounds import Sounds
from mmerc.errors import InputError
from mmerc.features.extraction import Task
from mmerc.media.segment import Clip, Segment

Locate = Callable[[Utterance], Segment]
FACES = Path("fer2013/fer2013.parquet")


def corpus_tasks(corpus: PreparedCorpus, media: Path) -> list[Task]:
    """One task for every utterance of every split; ``media`` is the raw corpus's folder."""
    if not media.is_dir():
        raise InputError(media, "not a folder", "name the raw corpus's folder with --media")
    conversations = [item for split in corpus.splits.values() for item in split]
    locate = locator(corpus.name, media.resolve(), conversations)
    return [
        Task(conversation=item.id, utterance=utterance.id, segment=locate(utterance))
        for item in conversations
        for utterance in item.utterances
    ]


def corpus_sounds(corpus: PreparedCorpus, media: Path | None) -> PreparedCorpus:
    """The corpus with its utterances' sounds in ``media``, the raw corpus's folder; None: without.

    InputError where it is no folder.
    """
    if media is None:
        return corpus
    conversations = [item for split in corpus.splits.values() for item in split]
    return replace(corpus, sounds=sounds_of(corpus.name, conversations, media))


def sounds_of(name: str, conversations: Iterable[Conversation], media: Path) -> Sounds:
    """Where each utterance's sound lies, by conversation and utterance.

    An utterance without media of its own is part of its conversation's.
    """
    if not media.is_dir():
        raise InputError(media, "not a folder", "name the folder of the media with --media")
    locate = locator(name, media.resolve(), ())
    found = {
        (conversation.id, utterance.id): locate(
            replace(utterance, media=utterance.media or conversation.media)
        ).sound
        for conversation in conversations
        for utterance in conversation.utterances
    }
    return {key: clip for key, clip in found.items() if clip is not None}


def locator(name: str, media: Path, conversations: Iterable[Conversation]) -> Locate:
    """How this corpus names its media."""
    if name == "composed":
        return composed_locator(media, conversations)
    if name in iemocap.CORPUS_NAMES:
        return iemocap_locator(media)
    return (clip_locator if name == "meld" else file_locator)(media)


def clip_locator(media: Path) -> Locate:
    """A file of its own for every utterance, whatever its times in the episode."""

    def locate(utterance: Utterance) -> Segment:
        clip = clip_inside(media, utterance.media)
        return Segment(sound=clip, film=clip)

    return locate


def file_locator(media: Path) -> Locate:
    """The utterance's file, from its start to its end where they are known."""

    def locate(utterance: Utterance) -> Segment:
        clip = clip_inside(media, utterance.media, start=utterance.start, end=utterance.end)
        return Segment(sound=clip, film=clip)

    return locate


def iemocap_locator(media: Path) -> Locate:
    """A sound file an utterance; in the dialog's film the speaker sits in one half."""

    def locate(utterance: Utterance) -> Segment:
        parts = iemocap.media_parts(utterance.media or "")
        return Segment(
            sound=clip_inside(media, parts.sound),
            film=clip_inside(media, parts.film, start=utterance.start, end=utterance.end),
            half=parts.half,
        )

    return locate


def composed_locator(media: Path, conversations: Iterable[Conversation]) -> Locate:
    """A sound file of RAVDESS and images out of FER2013's one file."""
    wanted = {
        face
        for conversation in conversations
        for utterance in conversation.utterances
        for face in composed.media_parts(utterance.media or "")[1]
    }
    pictures = dict(read_pictures(media / FACES, wanted)) if wanted else {}

    def locate(utterance: Utterance) -> Segment:
        sound, faces = composed.media_parts(utterance.media or "")
        shown = tuple(pictures[face] for face in faces if face in pictures)
        return Segment(sound=clip_inside(media, sound), pictures=shown)

    return locate


def read_pictures(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """Encoded images by name."""
    try:
        for batch in pq.ParquetFile(path).iter_batches(columns=["name", "jpeg"]):
            names, images = batch.column("name").to_pylist(), batch.column("jpeg").to_pylist()
            yield from ((n, i) for n, i in zip(names, images, strict=True) if n in wanted)
    except (OSError, KeyError, pa.ArrowException) as error:
        problem = "not a Parquet file with the columns name and jpeg"
        raise InputError(path, problem, "copy FER2013 as the composed corpus expects it") from error


def clip_inside(
    folder: Path,
    relative: str | None,
    *,
    start: float | None = None,
    end: float | None = None,
) -> Clip | None:
    """Part of a file inside ``folder``; a name that leads out of it is refused."""
    if relative is None:
        return None
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder):
        problem = f"the media name {relative[:80]!r} leads out of the folder"
        raise InputError(folder, problem, "name media inside it")
    return Clip(path, start=start, end=end)
