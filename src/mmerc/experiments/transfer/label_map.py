"""Common names for labels of different corpora: built-in, and the user's own (YAML)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmerc.errors import InputError
from mmerc.evaluation.label_alignment import LabelAlignment, align_labels
from mmerc.files import read_text
from mmerc.labels import LabelSet
from mmerc.parsing import parse_yaml

_Names = Mapping[str, str | None]
# [decided] Frustration counts neither as anger nor as sadness; excited counts as joy.
_EMOTIONS: _Names = {
    "happy": "joy", "happiness": "joy", "excited": "joy", "excitement": "joy", "sad": "sadness",
    "angry": "anger", "surprised": "surprise", "fearful": "fear", "disgusted": "disgust",
    "calm": "neutral", "frustrated": None, "frustration": None,
}  # fmt: skip
_POLARITY: _Names = {
    "joy": "positive", "positive": "positive", "negative": "negative", "anger": "negative",
    "sadness": "negative", "fear": "negative", "disgust": "negative", "neutral": None,
    "surprise": None,
}  # fmt: skip


class LabelMap(BaseModel):
    """The user's names: ``labels`` for the model and all corpora, ``corpora`` for single ones.

    A label mapped to null is excluded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: dict[str, str | None] = Field(default_factory=dict)
    corpora: dict[str, dict[str, str | None]] = Field(default_factory=dict)


def read_label_map(path: Path) -> LabelMap:
    """Read a label map; InputError if it is not one."""
    try:
        return LabelMap.model_validate(parse_yaml(read_text(path)) or {})
    except yaml.YAMLError as error:
        problem = f"not valid YAML ({' '.join(str(error).split())})"
        raise InputError(path, problem, "see docs/transfer.md for an example") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "its content"
        fix = "write `labels:` and `corpora:` with a name, or null, for each label"
        raise InputError(path, f"{key}: {first['msg'].lower()}", fix) from error


def check_label_map(
    label_map: LabelMap, model: LabelSet, corpora: Mapping[str, LabelSet], *, where: Path
) -> None:
    """InputError for unknown labels and corpora in a map."""
    every = {name for labels in (model, *corpora.values()) for name in labels}
    known = f"use one of {', '.join(sorted(every))}"
    for label in label_map.labels:
        if label not in every:
            problem = f"neither the model nor a corpus has a label {label!r}"
            raise InputError(where, problem, known)
    for corpus, names in label_map.corpora.items():
        if corpus not in corpora:
            problem = f"no --corpus is called {corpus!r}"
            raise InputError(where, problem, f"use one of {', '.join(corpora)}")
        for label in names:
            if label not in corpora[corpus].names:
                problem = f"corpus {corpus!r} has no label {label!r}"
                raise InputError(where, problem, f"use one of {', '.join(corpora[corpus])}")


def align_with_corpus(
    model: LabelSet, corpus: LabelSet, name: str, label_map: LabelMap
) -> LabelAlignment:
    """Align a model's labels with those of the corpus ``name``.

    Equal label sets are unchanged unless the map changes them. InputError if a corpus label has no
    counterpart.
    """
    same = set(model) == set(corpus)
    polarity = not same and any(
        set(labels) == {"negative", "positive"} for labels in (model, corpus)
    )
    return align_labels(
        model,
        corpus,
        model_names=_name_labels(model, same, polarity) | _chosen(label_map.labels, model),
        corpus_names=_name_labels(corpus, same, polarity)
        | _chosen(label_map.labels, corpus)
        | label_map.corpora.get(name, {}),
        where=f"corpus {name!r}",
    )


def _name_labels(labels: LabelSet, same: bool, polarity: bool) -> dict[str, str | None]:
    """Return the built-in common names of labels; for others, the label in lower case."""
    if same:
        return {label: label for label in labels}
    names = {label: _EMOTIONS.get(label.lower(), label.lower()) for label in labels}
    if polarity:
        return {label: None if n is None else _POLARITY.get(n, n) for label, n in names.items()}
    return names


def _chosen(names: _Names, labels: LabelSet) -> dict[str, str | None]:
    """Return the user's names for labels in ``labels``."""
    return {label: names[label] for label in labels if label in names}
