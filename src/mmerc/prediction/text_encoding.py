"""Vectors of a text encoder, kept for fast fusion experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmerc.conversation import Conversation, Split
from mmerc.data.batches import batch_loader
from mmerc.data.examples import build_examples
from mmerc.errors import InputError, UsageError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.files import file_fingerprint, read_json
from mmerc.labels import LabelSet
from mmerc.models.inputs import encode_batch_text
from mmerc.models.registry import find_model_folder, load_model
from mmerc.models.saved_model import describes_model
from mmerc.models.training_data import TrainedOn
from mmerc.nn.encoder_sources import resolve_encoder
from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig
from mmerc.prediction.run_model import build_text_input

NO_TEXT = "empty text"


def load_encoder(
    source: str, *, reading: Mapping[str, Any] | None = None
) -> tuple[TextEncoder, TrainedOn, str]:
    """Encoder of a folder or by name, what it was trained on, and the hash of its weights.

    ``reading`` (settings of TextEncoderConfig) is for plain encoders; UsageError with a run.
    """
    folder = find_model_folder(Path(source))
    if (folder / "training_data.json").is_file():
        encoder = load_model(folder).text_encoder
        if encoder is None:
            fix = "name a run that trains a text encoder, or an encoder"
            raise InputError(folder, "its model has no text encoder", fix)
        if reading:
            raise UsageError(
                f"{folder} reads text as it was trained to; leave {', '.join(reading)} out."
            )
        return encoder, TrainedOn.read(folder), file_fingerprint(folder / "model.safetensors")
    if is_model(folder):
        problem = "does not say which conversations it was trained on (no training_data.json)"
        raise InputError(folder, problem, "copy the model whole, or name a run")
    encoder = TextEncoder.from_source(TextEncoderConfig(name=source, **(reading or {}))).eval()
    weights = file_fingerprint(resolve_encoder(source) / "model.safetensors")
    return encoder, TrainedOn(corpus="", conversations=frozenset()), weights


def is_model(folder: Path) -> bool:
    """Whether one of our models lies in ``folder``, not a plain encoder."""
    path = folder / "config.json"
    return path.is_file() and describes_model(read_json(path))


def encode_splits(
    source: str,
    *,
    labels_of: str,
    splits: Mapping[Split, tuple[Conversation, ...]],
    labels: LabelSet,
    reading: Mapping[str, Any] | None = None,
) -> FeatureTable:
    """Text vectors of every utterance; each says whether the encoder saw its label in training.

    ``labels_of``: the corpus that the labels are taken from (``PreparedCorpus.label_source``).
    """
    encoder, trained_on, weights = load_encoder(source, reading=reading)
    seen = trained_on.seen(labels_of)
    spec = FeatureSpec(
        modality="text",
        extractor="encoder",
        dim=encoder.width,
        settings={
            "weights": weights,
            "speaker_prefix": encoder.config.speaker_prefix,
            "utterance_tokens": encoder.config.utterance_tokens,
            "scope": encoder.config.scope,
        },
    )
    conversations = [item for group in splits.values() for item in group]
    rows = (
        FeatureRow(
            conversation=conversation.id,
            utterance=utterance.id,
            vector=vector,
            absent_because=NO_TEXT if vector is None else None,
            saw_label=conversation.id in seen,
        )
        for conversation, vectors in encode(encoder, conversations, labels)
        for utterance, vector in zip(conversation.utterances, vectors, strict=True)
    )
    return FeatureTable.of(spec, rows)


@torch.inference_mode()
def encode(
    encoder: TextEncoder, conversations: list[Conversation], labels: LabelSet
) -> Iterator[tuple[Conversation, list[Vector | None]]]:
    """Pooled vectors of each conversation's utterances, None where the text is empty."""
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
            yield (
                conversations[index],
                [v if there else None for v, there in zip(matrix, present, strict=True)],
            )
