"""CMU-MOSI: opinion videos with one speaker, with trimodal vectors in an NPZ archive."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus
from mmerc.corpora.error_location import inside
from mmerc.corpora.published_vectors import absence_notes, zeros_as_absent
from mmerc.corpora.splits import Conversations, hold_out, hold_out_note
from mmerc.errors import InputError
from mmerc.labels import MOSI_2

_Arrays = Mapping[str, NDArray[Any]]
_ARRAYS: Mapping[Modality, str] = {"text": "text100", "audio": "audio73", "video": "video100"}
_PUBLISHED_TRAIN = "The authors' 1447 training utterances in 62 videos are train and valid here."
_SAW_LABELS: frozenset[Modality] = frozenset({"text", "video"})
_SAW_LABELS_NOTE = (
    "The published text and video vectors of the training videos come from networks that were "
    "trained on those labels, so their validation scores say little about test."
)
_FIX = "use the archive as it was published"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ArrayRow:
    """A row of the arrays: video, position in the video, and row number."""

    video: str
    position: int
    row: int


class MosiReader(CorpusReader):
    """CMU-MOSI as an archive of published vectors and transcripts."""

    name = "mosi"
    summary = "CMU-MOSI: published vectors of three modalities, binary sentiment"
    source = "The .npz file of CMU-MOSI's vectors."
    terms = "CMU-MOSI's published vectors and transcripts, of people who speak to a camera (MIT)."
    corpora = frozenset({"mosi"})

    def read(self, source: Path) -> RawCorpus:
        """Read the archive; see ``_read_mosi``."""
        return _read_mosi(source)


def _read_mosi(file: Path, *, seed: int = 0, valid_share: float = 0.1) -> RawCorpus:
    """Read ``mosi_trimodal.npz``: one conversation per video, utterances sorted by position.

    Arrays ``train_`` and ``test_`` of ``utt_id``, ``label`` (0 negative, 1 positive), and, if the
    archive has them, ``transcript``, ``text100``, ``audio73`` and ``video100`` [rows, D].
    Validation is a seeded share of whole training videos. InputError for anything else.
    """
    arrays = _read_arrays(file)
    with inside(file):
        training, test = (_read_half(arrays, half) for half in ("train", "test"))
        train, valid = hold_out(training, seed=seed, share=valid_share)
        features = {
            modality: _read_archive_vectors(arrays, modality)
            for modality, name in _ARRAYS.items()
            if f"train_{name}" in arrays and f"test_{name}" in arrays
        }
        saw_labels = _SAW_LABELS & features.keys()
        remarks = [hold_out_note(valid, seed=seed), _PUBLISHED_TRAIN, *absence_notes(features)]
        remarks += [_SAW_LABELS_NOTE] if saw_labels else []
        return RawCorpus(
            name="mosi",
            labels=MOSI_2,
            splits={"train": train, "valid": valid, "test": test},
            features=features,
            published={"test": (752, 31)},
            remarks=tuple(remarks),
            saw_labels=saw_labels,
        )


def _read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of the archive, without unpickling."""
    if not file.is_file():
        raise InputError(file, "no such file", "check the path")
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(file, "not a complete NPZ archive of plain arrays", _FIX) from error


def _read_items(arrays: _Arrays, half: str) -> list[_ArrayRow]:
    """Read video and position of every row, from the ids ``VIDEO_POSITION``."""
    items = []
    for row, name in enumerate(_read_column(arrays, half, "utt_id")):
        video, _, position = str(name).rpartition("_")
        if not video or not position.isdecimal():
            fix = "write VIDEO_POSITION"
            raise InputError(f"{half}_utt_id[{row}]", f"cannot read {str(name)!r}", fix)
        items.append(_ArrayRow(video=video, position=int(position), row=row))
    return items


def _read_column(arrays: _Arrays, half: str, name: str) -> NDArray[Any]:
    """Read an array of one half; checks its length."""
    key = f"{half}_{name}"
    for needed in (f"{half}_utt_id", key):
        if needed not in arrays:
            raise InputError(needed, f"the archive contains only {sorted(arrays)}", _FIX)
    if arrays[key].shape[:1] != arrays[f"{half}_utt_id"].shape:
        problem = f"{arrays[key].shape} does not fit {len(arrays[f'{half}_utt_id'])} utterances"
        raise InputError(key, problem, _FIX)
    return arrays[key]


def _read_half(arrays: _Arrays, half: str) -> Conversations:
    """Read the conversations of the training or test half."""
    labels = _read_column(arrays, half, "label")
    transcribed = f"{half}_transcript" in arrays
    transcripts = _read_column(arrays, half, "transcript") if transcribed else [""] * len(labels)
    videos: dict[str, list[Utterance]] = defaultdict(list)
    for item in sorted(_read_items(arrays, half), key=lambda item: (item.video, item.position)):
        with inside(f"{half}_label[{item.row}]"):
            utterance = Utterance(
                id=str(item.position),
                speaker=item.video,
                text=str(transcripts[item.row]),
                label=_name_label(labels[item.row]),
            )
        videos[item.video].append(utterance)
    return tuple(Conversation(id=name, utterances=tuple(videos[name])) for name in videos)


def _name_label(value: Any) -> str:
    """Return the name of the label 0 or 1."""
    if value not in (0, 1):
        raise InputError("label", f"{value!r} is neither 0 nor 1", _FIX)
    return MOSI_2.names[int(value)]


def _read_archive_vectors(
    arrays: _Arrays, modality: Modality
) -> dict[tuple[str, str], NDArray[np.float32] | None]:
    """Read the vectors of both halves by conversation and utterance, float32 [D] each."""
    return {
        (item.video, str(item.position)): zeros_as_absent(vectors[item.row], modality)
        for half in ("train", "test")
        for vectors in [_read_column(arrays, half, _ARRAYS[modality]).astype(np.float32)]
        for item in _read_items(arrays, half)
    }
