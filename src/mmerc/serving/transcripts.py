"""Conversations in a request: the lines of a manifest as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from fastapi import HTTPException
from pydantic import BaseModel, Field

from mmerc.conversation import Conversation, Modality
from mmerc.corpora.base import Vectors
from mmerc.corpora.manifest import build_conversations, check_times, collect_vectors
from mmerc.corpora.records import ConversationRecord
from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.prediction.utterance_prediction import UtterancePrediction
from mmerc.serving.set_fields import SetFields

_MAX_UTTERANCES = 500
_MAX_TEXT = 10_000  # characters; spoken lines have a few dozen
_WHERE = Path("request")


class PredictRequest(SetFields):
    """Lines of a manifest; ``label``, ``split`` and ``media`` are ignored.

    ``sets``: the probability that a prediction set contains the label, such as 0.9.
    ``class_conditional``: for each emotion separately. Sets larger than ``most_labels`` are
    "unsure".
    """

    conversations: Annotated[list[ConversationRecord], Field(min_length=1)]


class PredictAnswer(BaseModel):
    """The model, its labels in order, and one prediction per utterance in the request's order."""

    model: str
    labels: tuple[str, ...]
    predictions: list[UtterancePrediction]


def read_request(
    request: PredictRequest,
) -> tuple[tuple[Conversation, ...], Mapping[Modality, FeatureTable]]:
    """Read conversations and features; InputError if invalid, HTTPException if too long."""
    records = request.conversations
    utterances = [item for record in records for item in record.utterances]
    longest = max(len(item.text) for item in utterances)
    if len(utterances) > _MAX_UTTERANCES or longest > _MAX_TEXT:
        limit = f"{_MAX_UTTERANCES} utterances of {_MAX_TEXT} characters"
        detail = f"The service accepts at most {limit} at a time; send it in parts."
        raise HTTPException(413, detail)
    _check_ids(records)
    for record in records:
        check_times(record.utterances)
    conversations = build_conversations(_WHERE, records, None)
    return conversations, _build_tables(conversations, collect_vectors(_WHERE, records))


def _check_ids(records: Sequence[ConversationRecord]) -> None:
    """InputError if two conversations have the same id."""
    if len({record.id for record in records}) < len(records):
        problem = "two conversations have the same id"
        raise InputError(_WHERE, problem, "give every conversation its own id")


def _build_tables(
    conversations: Sequence[Conversation], features: Mapping[Modality, Vectors]
) -> dict[Modality, FeatureTable]:
    """Build a table for every modality with vectors."""
    tables = {}
    for modality, vectors in features.items():
        width = next((len(vector) for vector in vectors.values() if vector is not None), None)
        if width is None:
            continue
        spec = FeatureSpec(modality=modality, extractor="published", dim=width)
        rows = (
            FeatureRow(conversation=c.id, utterance=u.id, vector=vectors.get((c.id, u.id)))
            for c in conversations
            for u in c.utterances
        )
        tables[modality] = FeatureTable.of(spec, rows)
    return tables
