"""Read the published feature pickles of MELD and IEMOCAP, without running code.

``IEMOCAP_features.pkl`` is (utterance ids, speakers, labels, text, audio, visual, sentences,
training ids, test ids); all except the last two are dictionaries by conversation.
``MELD_features_raw1.pkl`` has a tenth item, which is not used.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus
from mmerc.corpora.error_location import inside
from mmerc.corpora.published_vectors import absence_notes, zeros_as_absent
from mmerc.corpora.restricted_pickle import read_pickle
from mmerc.corpora.splits import hold_out, hold_out_note
from mmerc.errors import InputError
from mmerc.files import encodable
from mmerc.labels import IEMOCAP_6, MELD_7, LabelSet

_ITEMS = (
    "ids", "speakers", "labels", "text", "audio", "visual", "sentences", "train", "test",
)  # fmt: skip
_VECTORS: Mapping[Modality, str] = {"text": "text", "audio": "audio", "video": "visual"}
_FIX = "use the file as it was published, with the labels that belong to it"
_Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """The layout of one of the files: labels, number of items and published counts."""

    labels: LabelSet
    items: int
    test: tuple[int, int]
    training: tuple[int, int]


_LAYOUTS: Mapping[str, _Layout] = {
    "iemocap": _Layout(labels=IEMOCAP_6, items=9, test=(1623, 31), training=(5810, 120)),
    "meld": _Layout(labels=MELD_7, items=10, test=(2610, 280), training=(11098, 1152)),
}


class FeaturePickleReader(CorpusReader):
    """Published feature tuples of MELD and IEMOCAP."""

    name = "feature-pickle"
    summary = "Published feature tuples of MELD or IEMOCAP; no code in the file is run"
    source = "IEMOCAP_features.pkl or MELD_features_raw1.pkl."

    def read(self, source: Path, *, labels: Literal["meld", "iemocap"]) -> RawCorpus:
        """Read the pickle; see ``_read_feature_pickle``."""
        return _read_feature_pickle(source, labels=labels)

    def corpus_terms(self, corpus: str) -> str | None:
        """Return the terms of the corpus of the vectors."""
        from mmerc.corpora.registry import reader_of_corpus

        return reader_of_corpus(corpus, None).terms


def _read_feature_pickle(
    file: Path,
    *,
    labels: Literal["meld", "iemocap"],
    seed: int = 0,
    valid_share: float = 0.1,
) -> RawCorpus:
    """Read one of the two files; validation is a seeded share of whole training conversations.

    InputError for a file that contains code (which is not run), is truncated or damaged, has
    another number of items, lists of different lengths, or non-finite numbers.
    """
    layout = _LAYOUTS[labels]
    content = read_pickle(file)
    with inside(file):
        fields = _name_fields(content, layout)
        training, test = (
            tuple(_read_conversation(n, fields, layout.labels) for n in _order_names(fields[half]))
            for half in ("train", "test")
        )
        train, valid = hold_out(training, seed=seed, share=valid_share)
        features = {modality: _read_modality(fields, modality) for modality in _VECTORS}
        return RawCorpus(
            name=labels,
            labels=layout.labels,
            splits={"train": train, "valid": valid, "test": test},
            features=features,
            published={"test": layout.test},
            remarks=(
                hold_out_note(valid, seed=seed),
                "The authors count {} training utterances in {} conversations, which are train "
                "and valid here.".format(*layout.training),
                *absence_notes(features),
            ),
        )


def _name_fields(content: object, layout: _Layout) -> _Fields:
    """Return the items of the tuple by name."""
    if not isinstance(content, tuple | list) or len(content) != layout.items:
        kind = f"{len(content)}" if isinstance(content, tuple | list) else type(content).__name__
        raise InputError("pickle", f"expected a tuple of {layout.items} items, got {kind}", _FIX)
    fields = dict(zip(_ITEMS, content, strict=False))
    for name, value in fields.items():
        expected = Iterable if name in ("train", "test") else Mapping
        if not isinstance(value, expected):
            problem = f"expected a {expected.__name__.lower()}, got {type(value).__name__}"
            raise InputError(f"item {name!r}", problem, _FIX)
    return fields


def _order_names(names: Iterable[Any]) -> list[Any]:
    """Return conversation names in file order, or sorted if they are a set."""
    if isinstance(names, set | frozenset):
        return sorted(names, key=lambda name: (len(str(name)), str(name)))
    return list(names)


def _read_entries(fields: _Fields, item: str, name: Any) -> Sequence[Any]:
    """Return a conversation's entries of one item; checks their number."""
    where = f"item {item!r}, conversation {str(name)!r}"
    if not isinstance(name, Hashable) or name not in fields[item]:
        raise InputError(where, "it has no entry", _FIX)
    values: Sequence[Any] = fields[item][name]
    if not isinstance(values, list | tuple | np.ndarray):
        raise InputError(where, f"expected a list, got {type(values).__name__}", _FIX)
    count = len(fields["ids"][name])
    if len(values) != count:
        raise InputError(where, f"expected {count} entries, got {len(values)}", _FIX)
    return values


def _read_conversation(name: Any, fields: _Fields, labels: LabelSet) -> Conversation:
    """Build one conversation from its entries."""
    items = ("ids", "speakers", "labels", "sentences")
    columns = [_read_entries(fields, item, name) for item in items]
    with inside(f"conversation {str(name)!r}"):
        utterances = tuple(
            Utterance(
                id=str(utterance),
                speaker=_read_speaker(speaker),
                label=_read_label(label, labels),
                text=_repair_encoding(str(sentence)),
            )
            for utterance, speaker, label, sentence in zip(*columns, strict=True)
        )
    return Conversation(id=str(name), utterances=utterances)


def _read_speaker(value: Any) -> str:
    """Return a name unchanged ('M', 'F'), or ``speaker-N`` for a one-hot list."""
    if isinstance(value, str):
        return value
    numbers = list(value) if isinstance(value, Sequence | np.ndarray) else []
    plain = all(isinstance(number, int | float | np.number) for number in numbers)
    if not plain or numbers.count(1) != 1 or numbers.count(0) != len(numbers) - 1:
        raise InputError("speakers", f"{value!r} is neither a name nor one-hot", _FIX)
    return f"speaker-{numbers.index(1)}"


def _read_label(value: Any, labels: LabelSet) -> str:
    """Return the name of a label number in the published order."""
    if not isinstance(value, int | np.integer) or value not in range(len(labels)):
        problem = f"{value!r} is not a label from 0 to {len(labels) - 1}"
        raise InputError("labels", problem, _FIX)
    return labels.names[int(value)]


def _repair_encoding(text: str) -> str:
    """Decode UTF-8 bytes of Python 2, which the pickle returns as Latin-1 text."""
    try:
        return text.encode("latin1").decode("utf-8")
    except UnicodeError:
        return encodable(text)


def _read_modality(
    fields: _Fields, modality: Modality
) -> dict[tuple[str, str], NDArray[np.float32] | None]:
    """Read one modality's vectors by conversation and utterance, float32 [D] each."""
    return {
        (str(name), str(utterance)): zeros_as_absent(vector, modality)
        for half in ("train", "test")
        for name in _order_names(fields[half])
        for utterance, vector in zip(
            fields["ids"][name], _read_matrix(fields, _VECTORS[modality], name), strict=True
        )
    }


def _read_matrix(fields: _Fields, item: str, name: Any) -> NDArray[np.float32]:
    """Read one conversation's vectors, float32 [N, D], all finite."""
    where = f"item {item!r}, conversation {str(name)!r}"
    values = _read_entries(fields, item, name)
    try:
        matrix = np.asarray([np.asarray(value, dtype=np.float32) for value in values])
    except (TypeError, ValueError) as error:
        raise InputError(where, "not vectors of one width", _FIX) from error
    if matrix.ndim != 2:
        raise InputError(where, f"expected vectors, got shape {matrix.shape}", _FIX)
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        utterance = str(fields["ids"][name][row])
        problem = f"number {column} is {matrix[row, column]}"
        fix = "fix it, or set the vector to zeros where the signal is absent"
        raise InputError(f"{where}, utterance {utterance!r}", problem, fix)
    return matrix
