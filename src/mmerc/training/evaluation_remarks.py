"""Remarks on why a model's scores on a corpus may be unreliable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmerc.conversation import Conversation, Split
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.models.base import AnyModel
from mmerc.models.training_data import TrainedOn


def check_labels(corpus: PreparedCorpus, split: Split) -> None:
    """InputError if a split is missing or has no labelled utterance."""
    where = f"corpus {corpus.name!r}"
    if not corpus.splits.get(split):
        splits = ", ".join(name for name, items in corpus.splits.items() if items)
        raise InputError(where, f"no {split} split", f"choose a --split that it has ({splits})")
    utterances = [u for item in corpus.splits[split] for u in item.utterances]
    if all(utterance.label is None for utterance in utterances):
        problem = f"no utterance of its {split} split has a label"
        raise InputError(where, problem, "evaluate on a corpus with labels, or use `mmerc predict`")


def find_remarks(
    model: AnyModel, folder: Path, corpus: PreparedCorpus, split: Split
) -> Iterator[str]:
    """Yield one sentence per problem with the scores of the model in ``folder``."""
    conversations, trained_on = corpus.splits[split], TrainedOn.read(folder)
    utterances = [u for item in conversations for u in item.utterances]
    unlabelled = sum(utterance.label is None for utterance in utterances)
    if unlabelled:
        yield f"{unlabelled} of {len(utterances)} utterances have no label and are not scored"
    yield from _vector_remarks(model, trained_on, corpus, conversations)
    seen = trained_on.seen(corpus.label_source)
    trained = sum(item.id in seen for item in conversations)
    if trained:
        yield (
            f"the model was trained on {trained} of these {len(conversations)} conversations, so "
            "the scores are too high"
        )
    elif seen and split == "valid":
        yield "the model was chosen on the validation split, so the scores are too high"


def _vector_remarks(
    model: AnyModel,
    trained_on: TrainedOn,
    corpus: PreparedCorpus,
    conversations: Sequence[Conversation],
) -> Iterator[str]:
    """Yield remarks on absent vectors and on extractors that differ from training."""
    keys = [(item.id, utterance.id) for item in conversations for utterance in item.utterances]
    for modality in model.inputs.widths:
        table = corpus.features.get(modality)
        if table is None:
            yield (
                f"corpus {corpus.name!r} has no {modality} vectors, which the model uses: it "
                f"predicted without {modality}"
            )
            continue
        absent = sum(table.vector(*key) is None for key in keys)
        if absent:
            yield f"{absent} of {len(keys)} utterances have no {modality} vector"
        extractor = trained_on.extractors.get(modality, table.spec.extractor)
        if extractor != table.spec.extractor:
            yield (
                f"the {modality} vectors of corpus {corpus.name!r} come from the extractor "
                f"{table.spec.extractor}, but the model was trained on those of {extractor}: the "
                "scores may be meaningless"
            )
