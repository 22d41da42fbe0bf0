"""GoEmotions: written comments, their emotions grouped into Ekman's six and neutral.

Each comment is a conversation with one utterance. Meant for pre-training text encoders that are
then trained on dialogues (``training.initial_text_encoder``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmerc.conversation import Conversation, Split, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus
from mmerc.errors import InputError
from mmerc.files import read_text
from mmerc.labels import MELD_7

_FILES: Mapping[Split, str] = {"train": "train.tsv", "valid": "dev.tsv", "test": "test.tsv"}
_SPEAKER = "author"


class GoEmotionsReader(CorpusReader):
    """GoEmotions in Ekman's grouping: text, label numbers and id, separated by tabs."""

    name = "goemotions"
    summary = "GoEmotions: single written comments, Ekman's emotions and neutral"
    source = "Folder of train.tsv, dev.tsv, test.tsv and labels.txt (Ekman's grouping)."
    terms = (
        "GoEmotions' annotations of comments by users of Reddit (Apache-2.0). The comments "
        "belong to their authors."
    )
    corpora = frozenset({"goemotions"})

    def read(self, source: Path) -> RawCorpus:
        """Read the three splits.

        A training comment with several emotions gets soft labels with equal shares instead of a
        label. Such comments of validation and test are excluded, because scores need one label.
        Remarks state their numbers.

        InputError if a file is missing, a line does not have three columns, or a label is unknown.
        """
        names = _read_names(source / "labels.txt")
        rows = {split: list(_read_rows(source / file, names)) for split, file in _FILES.items()}
        kept = {
            split: [item for item in items if split == "train" or item.label is not None]
            for split, items in rows.items()
        }
        soft = sum(item.label is None for item in kept["train"])
        dropped = sum(len(items) - len(kept[split]) for split, items in rows.items())
        return RawCorpus(
            name="goemotions",
            labels=MELD_7,
            splits={
                split: tuple(
                    Conversation(id=f"{split}-{utterance.id}", utterances=(utterance,))
                    for utterance in items
                )
                for split, items in kept.items()
            },
            remarks=_remark_on_several(soft, dropped),
        )


def _remark_on_several(soft: int, dropped: int) -> tuple[str, ...]:
    """Remark on the treatment of comments with several emotions."""
    remarks = {
        f"{soft} training comments with more than one emotion have soft labels.": soft,
        f"{dropped} comments of validation and test with more than one emotion are left out.": (
            dropped
        ),
    }
    return tuple(remark for remark, count in remarks.items() if count)


def _read_names(file: Path) -> tuple[str, ...]:
    """Read the emotions in order of their numbers."""
    names = tuple(read_text(file).split())
    unknown = sorted(set(names) - set(MELD_7))
    if unknown or not names:
        problem = f"unknown emotion {unknown[0]!r}" if unknown else "it is empty"
        fix = f"use the files of Ekman's grouping: {', '.join(MELD_7)}"
        raise InputError(file, problem, fix)
    return names


def _read_rows(file: Path, names: tuple[str, ...]) -> Iterator[Utterance]:
    """Yield each line's comment; with several emotions, it has soft labels."""
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        columns = line.rstrip("\r").split("\t")
        where = f"{file}, line {number}"
        if len(columns) != 3:
            problem = f"{len(columns)} columns instead of 3"
            raise InputError(where, problem, "separate text, label numbers and id by tabs")
        text, label_numbers, name = columns
        labels = [_find_label(item, names, where) for item in label_numbers.split(",")]
        if len(labels) > 1:
            shares = {label: 1 / len(labels) for label in labels}
            yield Utterance(id=name, speaker=_SPEAKER, text=text, soft_labels=shares)
        else:
            yield Utterance(id=name, speaker=_SPEAKER, text=text, label=labels[0])


def _find_label(item: str, names: tuple[str, ...], where: str) -> str:
    """Return the emotion of a label number."""
    if not (item.isascii() and item.isdigit() and int(item) < len(names)):
        problem, fix = f"unknown label number {item!r}", f"use 0 to {len(names) - 1}"
        raise InputError(where, problem, fix)
    return names[int(item)]
