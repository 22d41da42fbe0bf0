"""Conversations in a request: the lines of a manifest, as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from fastapi import HTTPException
from pydantic import BaseModel, Field

from mmerc.conversation import Conversation, Modality
from mmerc.corpora.base import Vectors
from mmerc.corpora.manifest import build_conversations, check_times, collect_vectors
from mmerc.corpora.records import ConversationRecord, Record
from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.prediction.utterance_predictions import UtterancePrediction

MOST_UTTERANCES = 500
LONGEST_TEXT = 10_000  # characters; a spoken line has some dozens
WHERE = Path("request")


class PredictRequest(Record):
    """Lines of a manifest; ``label``, ``split`` and ``media`` are not looked at."""

    conversations: Annotated[list[ConversationRecord], Field(min_length=1)]


class PredictAnswer(BaseModel):
    """The model, its labels in order, and a prediction an utterance in the request's order."""

    model: str
    labels: tuple[str, ...]
    predictions: list[UtterancePrediction]


def read(
    request: PredictRequest,
) -> tuple[tuple[Conversation, ...], Mapping[Modality, FeatureTable]]:
    """Conversations and vectors; InputError for no manifest, HTTPException for too much."""
    records = request.conversations
    utterances = [item for record in records for item in record.utterances]
    longest = max(len(item.text) for item in utterances)
    if len(utterances) > MOST_UTTERANCES or longest > LONGEST_TEXT:
        limit = f"{MOST_UTTERANCES} utterances of {LONGEST_TEXT} characters"
        raise HTTPException(413, f"The service takes at most {limit} at a time; send it in parts.")
    check_ids(records)
    for record in records:
        check_times(record.utterances)
    conversations = build_conversations(WHERE, records, None)
    return conversations, tables_of(conversations, collect_vectors(WHERE, records))


def check_ids(records: Sequence[ConversationRecord]) -> None:
    """Refuse two conversations of one id."""
    if len({record.id for record in records}) < len(records):
        problem = "two conversations have the same id"
        raise InputError(WHERE, problem, "give every conversation an id of its own")


def tables_of(
    conversations: Sequence[Conversation], features: Mapping[Modality, Vectors]
) -> dict[Modality, FeatureTable]:
    """A table for every modality of which there is a vector at all."""
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
