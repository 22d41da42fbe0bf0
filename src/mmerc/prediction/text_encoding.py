"""Store an encoder's text vectors in a corpus, for fast fusion experiments."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmerc.conversation import Conversation
from mmerc.data.batches import batch_loader
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.examples import build_examples
from mmerc.errors import InputError, UsageError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.files import file_fingerprint, read_json
from mmerc.labels import LabelSet
from mmerc.models.inputs import encode_batch_text
from mmerc.models.model_folder import find_local_model
from mmerc.models.registry import load_model
from mmerc.models.saved_model import describes_model
from mmerc.models.training_data import TrainedOn
from mmerc.nn.encoder_sources import resolve_encoder
from mmerc.nn.text_encoder import Scope, TextEncoder, TextEncoderConfig
from mmerc.prediction.run_model import build_text_input

Encoded = tuple[Conversation, list[Vector | None]]  # a vector per utterance, None for empty text
_NO_TEXT = "empty text"


def encode_text(
    corpus: PreparedCorpus | str | Path,
    encoder: str | Path,
    *,
    scope: Scope | None = None,
    speaker_prefix: bool | None = None,
    max_length: int | None = None,
) -> PreparedCorpus:
    """Return the corpus with an encoder's text vectors, one per utterance, replacing any others.

    ``corpus`` is a prepared corpus or its folder. ``encoder`` is a run or model folder with a
    trained text encoder, a model that comes with mmerc ("mmerc-mini-text"), or a plain encoder: a
    folder, "minilm-l6", or a Hub name. Each vector records whether the encoder saw the utterance's
    label in training; empty texts have no vector.

    ``scope``, ``speaker_prefix`` (see ``TextEncoderConfig``) and ``max_length`` (longest input in
    tokens) are for plain encoders; UsageError if given with a run. InputError or MmercError if the
    corpus or the encoder cannot be read.
    """
    prepared = corpus if isinstance(corpus, PreparedCorpus) else PreparedCorpus.load(Path(corpus))
    options = {"scope": scope, "speaker_prefix": speaker_prefix, "max_length": max_length}
    settings = {name: value for name, value in options.items() if value is not None}
    table = _encode_corpus(prepared, *load_encoder(encoder, settings=settings))
    return replace(prepared, features={**prepared.features, "text": table})


def load_encoder(
    source: str | Path, *, settings: Mapping[str, Any] | None = None
) -> tuple[TextEncoder, TrainedOn, str]:
    """Load an encoder, its training data, and the SHA-256 of its weights.

    ``settings`` (of TextEncoderConfig) are for plain encoders; UsageError with a run.
    """
    folder = find_local_model(source) or Path(source)
    if (folder / "training_data.json").is_file():
        encoder = load_model(folder).text_encoder
        if encoder is None:
            fix = "name a run that trains a text encoder, or an encoder"
            raise InputError(folder, "its model has no text encoder", fix)
        if settings:
            raise UsageError(
                f"{folder} reads text as it was trained to; remove {', '.join(settings)}."
            )
        return encoder, TrainedOn.read(folder), file_fingerprint(folder / "model.safetensors")
    if _is_model(folder):
        problem = "does not say which conversations it was trained on (no training_data.json)"
        raise InputError(folder, problem, "copy the complete model folder, or name a run")
    name = str(source)
    encoder = TextEncoder.from_source(TextEncoderConfig(name=name, **(settings or {}))).eval()
    weights = file_fingerprint(resolve_encoder(name) / "model.safetensors")
    return encoder, TrainedOn(corpus="", conversations=frozenset()), weights


def _is_model(folder: Path) -> bool:
    """Whether ``folder`` has an mmerc model rather than a plain encoder."""
    path = folder / "config.json"
    return path.is_file() and describes_model(read_json(path))


def _encode_corpus(
    corpus: PreparedCorpus, encoder: TextEncoder, trained_on: TrainedOn, weights: str
) -> FeatureTable:
    """Encode every utterance of a corpus; ``weights`` is the SHA-256 of the encoder's weights."""
    conversations = [item for split in corpus.splits.values() for item in split]
    encoded = encode_conversations(encoder, conversations, corpus.labels)
    labelled = trained_on.seen(corpus.label_source)
    return build_text_table(encoder, encoded, weights=weights, labelled=labelled)


def build_text_table(
    encoder: TextEncoder,
    encoded: Iterable[Encoded],
    *,
    weights: str,
    labelled: Container[str],
    folds: int | None = None,
) -> FeatureTable:
    """Build the table of an encoder's vectors.

    ``weights`` identifies the encoder, ``labelled`` has the ids of conversations whose labels it
    saw, ``folds`` is the number of encoders used for the training split, if more than one.
    """
    settings: dict[str, str | int | bool] = {
        "weights": weights,
        "speaker_prefix": encoder.config.speaker_prefix,
        "utterance_tokens": encoder.config.utterance_tokens,
        "scope": encoder.config.scope,
    }
    if folds is not None:
        settings["folds"] = folds
    spec = FeatureSpec(modality="text", extractor="encoder", dim=encoder.width, settings=settings)
    rows = (
        FeatureRow(
            conversation=conversation.id,
            utterance=utterance.id,
            vector=vector,
            absent_because=_NO_TEXT if vector is None else None,
            saw_label=conversation.id in labelled,
        )
        for conversation, vectors in encoded
        for utterance, vector in zip(conversation.utterances, vectors, strict=True)
    )
    return FeatureTable.of(spec, rows)


@torch.inference_mode()
def encode_conversations(
    encoder: TextEncoder, conversations: list[Conversation], labels: LabelSet
) -> Iterator[Encoded]:
    """Yield each conversation with its utterances' pooled vectors, None for empty text."""
    examples = build_examples(
        conversations, labels=labels, widths={}, tables={}, text=build_text_input(encoder)
    )
    encoder.eval()
    for batch in batch_loader(examples, tokenizer=encoder.tokenizer, size=16, shuffle=False):
        pooled = encode_batch_text(batch, encoder)
        for row, index in enumerate(batch.indices.tolist()):
            size = len(conversations[index])
            matrix = pooled[row, :size].numpy().astype(np.float32)
            present = batch.present["text"][row, :size].tolist()
            vectors = [v if has_text else None for v, has_text in zip(matrix, present, strict=True)]
            yield conversations[index], vectors
