"""Feature selection on a prepared corpus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mmerc.conversation import Modality
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import UsageError
from mmerc.features.selection import Selection, fit_selection


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedCorpus:
    """A corpus with selected features, the selection, its file, and the original width."""

    corpus: PreparedCorpus
    selection: Selection
    file: Path
    width_before: int


def select_corpus_features(
    corpus: str | Path,
    out: str | Path,
    *,
    modality: Modality = "audio",
    count: int = 300,
    selection: str | Path | None = None,
    overwrite: bool = False,
) -> SelectedCorpus:
    """Write the corpus with ``count`` features of a modality to ``out``, and the selection.

    They are selected with the labels of the training split, or by a saved ``selection``.
    UsageError if the corpus has no vectors of the modality; InputError if they do not match.
    """
    prepared = PreparedCorpus.load(corpus)
    if modality not in prepared.features:
        raise UsageError(f"{corpus} has no {modality} vectors; extract them first.")
    table = prepared.features[modality]
    chosen = (
        _fit_corpus_selection(prepared, modality, count=count)
        if selection is None
        else Selection.load(Path(selection))
    )
    selected = replace(prepared, features={**prepared.features, modality: chosen.apply(table)})
    selected.save(out, overwrite=overwrite)
    file = Path(out) / f"{modality}-selection.json"
    chosen.save(file)
    return SelectedCorpus(corpus=selected, selection=chosen, file=file, width_before=table.spec.dim)


def _fit_corpus_selection(corpus: PreparedCorpus, modality: Modality, *, count: int) -> Selection:
    """Fit a selection on the labels of the corpus's training split."""
    labels = {
        (conversation.id, utterance.id): utterance.label
        for conversation in corpus.splits.get("train", ())
        for utterance in conversation.utterances
        if utterance.label is not None
    }
    return fit_selection(corpus.features[modality], labels, labels.keys(), count=count)
