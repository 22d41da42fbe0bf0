"""The composed corpus: MELD's dialogues, RAVDESS's speech and FER2013's faces.

``media`` contains all sources of an utterance, as ``ravdess/CLIP.flac#faces=NAME;NAME;NAME``: the
sound file in the data folder, then the names of images in ``fer2013/fer2013.parquet``. Without
faces there is no ``#``. With ``--visible-noise``, the utterance's disturbance follows
(``visible_noise``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus
from mmerc.corpora.dialogue_tables import Columns, Details, TableRow, read_dialogues
from mmerc.corpora.media_locators import Locate, clip_inside
from mmerc.corpora.meld import PUBLISHED, SPLIT_NAMES
from mmerc.corpora.visible_noise import disturb_conversation, disturb_segment, split_disturbance
from mmerc.errors import InputError
from mmerc.labels import MELD_7
from mmerc.media.segment import Segment

_COLUMNS = Columns(
    dialogue="dialogue_id",
    utterance="utterance_id",
    speaker="speaker",
    emotion="emotion",
    text="text",
    others=("audio", "faces"),
)
_FACES = "#faces="
_FACE_FILE = Path("fer2013/fer2013.parquet")
_VOICE_LABELS = {
    "01": "neutral", "02": "neutral", "03": "joy", "04": "sadness", "05": "anger", "06": "fear",
    "07": "disgust", "08": "surprise",
}  # fmt: skip
_FACE_LABELS = {"happy": "joy", "sad": "sadness", "angry": "anger"}
_DISTURBED_NOTE = (
    "Sound, faces and words of every utterance are disturbed by a random amount, which is "
    "recorded with the utterance and visible in them."
)
_NOTE = (
    "Composed of three corpora: it shows that multimodal methods work on real sound and images, "
    "but its numbers are not MELD's."
)


class ComposedReader(CorpusReader):
    """The composed corpus: MELD's dialogues combined with real voices and faces."""

    name = "composed"
    summary = "The composed corpus: MELD's dialogues with the voices and faces of other corpora"
    source = "Folder that contains meld-composed, ravdess and fer2013."
    terms = (
        "The composed corpus: MELD's dialogues (GPL-3.0). Each utterance has a clip of RAVDESS, "
        "acted speech of 24 people (CC BY-NC-SA 4.0), and three faces of FER2013, photographs "
        "from the web (for research). Words, voice and face of an utterance do not belong "
        "together: 36 % of the clips and 43 % of the faces show another emotion than the label. "
        "Weights trained on it are for research and teaching; commercial use is not granted."
    )
    corpora = frozenset({"composed", "composed-visible-noise"})

    def read(self, source: Path, *, visible_noise: bool = False) -> RawCorpus:
        """Read the folder; see ``_read_composed``.

        ``visible_noise``: disturb sound, faces and text of every utterance (``visible_noise``).
        """
        raw = _read_composed(source)
        return _disturb(raw) if visible_noise else raw

    def locator(self, media: Path, conversations: Iterable[Conversation]) -> Locate:
        """Locate a sound file of RAVDESS, and images in FER2013's single file."""
        names = {
            face
            for conversation in conversations
            for utterance in conversation.utterances
            for face in _split_media(utterance.media or "")[1]
        }
        pictures = dict(_read_pictures(media / _FACE_FILE, names)) if names else {}

        def locate(conversation: Conversation, utterance: Utterance) -> Segment:
            sound, faces = _split_media(utterance.media or "")
            present = tuple(pictures[face] for face in faces if face in pictures)
            segment = Segment(sound=clip_inside(media, sound), pictures=present)
            levels = split_disturbance(utterance.media or "")[1]
            if levels is None:
                return segment
            return disturb_segment(segment, levels, conversation.id, utterance.id)

        return locate


def _read_composed(directory: Path) -> RawCorpus:
    """Read ``meld-composed/{train,dev,test}.csv``; ``directory`` also contains the sources.

    An utterance's modality labels come from its clip (file name) and its faces.

    InputError if a file is missing or a row cannot be read.
    """
    faces = directory / _FACE_FILE
    face_labels = dict(_read_faces(faces, "label")) if faces.is_file() else {}
    splits = {
        split: read_dialogues(
            directory / "meld-composed" / f"{name}.csv",
            split_name=name,
            columns=_COLUMNS,
            labels=MELD_7,
            details=partial(_read_sources, face_labels),
        )[0]
        for split, name in SPLIT_NAMES.items()
    }
    return RawCorpus(
        name="composed",
        labels=MELD_7,
        labels_of="meld",
        splits=splits,
        published=PUBLISHED,
        remarks=(_NOTE,),
    )


def _disturb(raw: RawCorpus) -> RawCorpus:
    """Draw disturbances for every utterance, and rename the corpus."""
    return replace(
        raw,
        name=f"{raw.name}-visible-noise",
        splits={
            split: tuple(disturb_conversation(conversation) for conversation in conversations)
            for split, conversations in raw.splits.items()
        },
        remarks=(*raw.remarks, _DISTURBED_NOTE),
    )


def _read_sources(face_labels: Mapping[str, str], row: TableRow) -> Details:
    """Return sound file, faces and modality labels; a composed utterance has no times."""
    clip, names = row.values["audio"], row.values["faces"]
    sound = f"ravdess/{clip}" if clip else ""
    faces = _FACES + names if names else ""
    emotions: dict[Modality, str | None] = {
        "audio": _voice_label(clip),
        "video": _face_label(names.split(";"), face_labels),
    }
    return {
        "start": None,
        "end": None,
        "media": sound + faces or None,
        "modality_labels": {m: label for m, label in emotions.items() if label is not None},
    }


def _voice_label(clip: str) -> str | None:
    """Return the emotion of a RAVDESS clip: the third number of its name."""
    parts = clip.split("-")
    return _VOICE_LABELS.get(parts[2]) if len(parts) > 2 else None


def _face_label(names: Sequence[str], face_labels: Mapping[str, str]) -> str | None:
    """Return the emotion of an utterance's faces; None if they differ."""
    labels = {face_labels[name] for name in names if name in face_labels}
    label = labels.pop() if len(labels) == 1 else None
    return None if label is None else _FACE_LABELS.get(label, label)


def _split_media(media: str) -> tuple[str | None, tuple[str, ...]]:
    """Split a ``media`` string into the sound file (or None) and the names of the faces."""
    sound, _, faces = split_disturbance(media)[0].partition(_FACES)
    return sound or None, tuple(faces.split(";")) if faces else ()


def _read_pictures(path: Path, names: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and encoded image (JPEG) of each face in ``names``."""
    return ((name, image) for name, image in _read_faces(path, "jpeg") if name in names)


def _read_faces(path: Path, column: str) -> Iterator[tuple[str, Any]]:
    """Yield name and one more column of each face."""
    try:
        for batch in pq.ParquetFile(path).iter_batches(columns=["name", column]):
            yield from zip(
                *(batch.column(key).to_pylist() for key in ("name", column)), strict=True
            )
    except (OSError, KeyError, pa.ArrowException) as error:
        problem = f"not a Parquet file with the columns name and {column}"
        raise InputError(path, problem, "copy FER2013 as the composed corpus expects it") from error
