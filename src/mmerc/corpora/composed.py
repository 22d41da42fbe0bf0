"""The composed corpus: MELD's dialogues, RAVDESS's speech and FER2013's faces.

An utterance has more than one source, and ``media`` names them all:
``ravdess/CLIP.flac#faces=NAME;NAME;NAME``. Before the ``#`` stands the sound file inside the data
folder, after it the names of the images in ``fer2013/fer2013.parquet``; without a face there is no
``#``. ``media_parts`` takes such a string apart.
"""

from __future__ import annotations

from pathlib import Path

from mmerc.corpora.base import RawCorpus
from mmerc.corpora.dialogue_tables import Columns, Details, TableRow, read_dialogues
from mmerc.corpora.meld import PUBLISHED, SPLIT_NAMES
from mmerc.labels import MELD_7

COLUMNS = Columns(
    dialogue="dialogue_id",
    utterance="utterance_id",
    speaker="speaker",
    emotion="emotion",
    text="text",
    others=("audio", "faces"),
)
FACES = "#faces="
NOTE = (
    "Constructed of three corpora: it shows that the multimodal machinery works on real sound and "
    "images, and its numbers are not MELD's."
)


def read_composed(directory: Path) -> RawCorpus:
    """Read ``meld-composed/{train,dev,test}.csv``; ``directory`` also holds the sources.

    InputError where a file is missing or a row cannot be read.
    """
    splits = {
        split: read_dialogues(
            directory / "meld-composed" / f"{name}.csv",
            split_name=name,
            columns=COLUMNS,
            labels=MELD_7,
            details=read_sources,
        )
        for split, name in SPLIT_NAMES.items()
    }
    return RawCorpus(
        name="composed",
        labels=MELD_7,
        labels_of="meld",
        splits=splits,
        published=PUBLISHED,
        notes=(NOTE,),
    )


def read_sources(row: TableRow) -> Details:
    """Sound file and faces of one row; a composed utterance has no place in time."""
    sound = f"ravdess/{row.values['audio']}" if row.values["audio"] else ""
    faces = FACES + row.values["faces"] if row.values["faces"] else ""
    return {"start": None, "end": None, "media": sound + faces or None}


def media_parts(media: str) -> tuple[str | None, tuple[str, ...]]:
    """Sound file inside the data folder (or None), and the names of the faces."""
    sound, _, faces = media.partition(FACES)
    return sound or None, tuple(faces.split(";")) if faces else ()
