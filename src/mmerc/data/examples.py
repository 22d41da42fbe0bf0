"""Conversations as tensors, to be collated into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmerc.conversation import MODALITIES, Conversation, Modality
from mmerc.data.history import UtteranceTokenizer
from mmerc.data.text_windows import Tokenizer
from mmerc.errors import InputError
from mmerc.features.store import FeatureTable, stack_vectors
from mmerc.labels import LabelSet
from mmerc.media.segment import Clip

_DURATION_STEP = 0.25  # seconds
_STATES_PER_SECOND = 50
_MOST_TOKENS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TextInput:
    """The text input of a model that trains its text encoder."""

    tokenizer: Tokenizer | UtteranceTokenizer
    utterance_tokens: int
    speaker_prefix: bool

    def encode(self, conversation: Conversation) -> list[list[int]]:
        """Tokenise each utterance; no ids for an empty text."""
        texts = [self.format_text(item.speaker, item.text) for item in conversation.utterances]
        limit = min(self.utterance_tokens, self.tokenizer.max_length - 2)
        return self.tokenizer.encode(texts, limit=limit)

    def format_text(self, speaker: str, text: str) -> str:
        if not text.strip():
            return ""
        return f"{speaker}: {text}" if self.speaker_prefix and speaker else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One conversation of N utterances.

    Shape: ``features[m]`` [N, D_m], ``present[m]`` [N] bool, ``speakers``, ``labels`` and
    ``modality_labels[m]`` [N]; ``token_ids``: N lists, or None for a model that reads stored text
    vectors. ``sounds`` and their ``seconds``: N each for a model that reads waveforms, which are
    decoded batch by batch. ``soft_labels`` [N, K], zeros where unknown; None if no utterance has
    any.
    """

    index: int
    features: Mapping[Modality, Tensor]
    present: Mapping[Modality, Tensor]
    speakers: Tensor
    labels: Tensor
    token_ids: list[list[int]] | None
    sounds: tuple[Clip | None, ...] | None = None
    seconds: tuple[float, ...] = ()
    modality_labels: Mapping[Modality, Tensor] = field(default_factory=dict)
    soft_labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def cost(self) -> int:
        """Sort key that makes neighbours similar: by sound, else tokens, else utterances."""
        tokens = None if self.token_ids is None else sum(map(len, self.token_ids))
        if self.sounds is not None:
            return _bucket(sum(self.seconds), tokens or 0)
        return len(self) if tokens is None else tokens

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths subject to padding: tokens and speech encoder states, else utterances."""
        tokens = () if self.token_ids is None else (sum(map(len, self.token_ids)),)
        states = () if self.sounds is None else (round(_STATES_PER_SECOND * sum(self.seconds)),)
        return (*tokens, *states) or (len(self),)


def _bucket(seconds: float, tokens: int) -> int:
    """Return the sort key of an utterance: duration step, then tokens.

    Tokens alternately ascend and descend, so that neighbours are similar across steps.
    """
    step, tokens = int(seconds / _DURATION_STEP), min(tokens, _MOST_TOKENS - 1)
    return step * _MOST_TOKENS + (tokens if step % 2 == 0 else _MOST_TOKENS - 1 - tokens)


def build_examples(
    conversations: Sequence[Conversation],
    *,
    labels: LabelSet,
    widths: Mapping[Modality, int],
    tables: Mapping[Modality, FeatureTable],
    text: TextInput | None,
) -> list[Example]:
    """Convert conversations to tensors; ``widths``: vector width of modalities with vectors."""
    for modality, width in widths.items():
        if modality in tables and tables[modality].spec.dim != width:
            problem = f"{tables[modality].spec.dim} wide, but the model expects {width}"
            fix = "extract the features that the model was trained on"
            raise InputError(f"{modality} features", problem, fix)
    return [
        _build_example(
            conversation, index=index, labels=labels, widths=widths, tables=tables, text=text
        )
        for index, conversation in enumerate(conversations)
    ]


def _build_example(
    conversation: Conversation,
    *,
    index: int,
    labels: LabelSet,
    widths: Mapping[Modality, int],
    tables: Mapping[Modality, FeatureTable],
    text: TextInput | None,
) -> Example:
    """Convert one conversation to tensors."""
    features: dict[Modality, Tensor] = {}
    present: dict[Modality, Tensor] = {}
    for modality, width in widths.items():
        features[modality], present[modality] = _stack_vectors(
            conversation, tables.get(modality), width
        )
    token_ids = None if text is None else text.encode(conversation)
    if token_ids is not None:
        present["text"] = torch.tensor([len(ids) > 0 for ids in token_ids])
    names = dict.fromkeys(item.speaker for item in conversation.utterances)
    numbers = {name: number for number, name in enumerate(names)}
    return Example(
        index=index,
        features=features,
        present=present,
        speakers=torch.tensor([numbers[item.speaker] for item in conversation.utterances]),
        labels=torch.tensor([labels.index(item.label) for item in conversation.utterances]),
        token_ids=token_ids,
        modality_labels={
            modality: torch.tensor([labels.index(label) for label in modality_labels])
            for modality, modality_labels in _list_modality_labels(conversation).items()
            if modality in present
        },
        soft_labels=_stack_soft_labels(conversation, labels),
    )


def _list_modality_labels(conversation: Conversation) -> dict[Modality, list[str | None]]:
    """List each utterance's modality labels; None if unknown."""
    return {
        modality: [item.modality_labels.get(modality) for item in conversation.utterances]
        for modality in MODALITIES
    }


def _stack_soft_labels(conversation: Conversation, labels: LabelSet) -> Tensor | None:
    """Stack the soft labels of a conversation; None if there are none. Shape: -> [N, K]."""
    if not any(item.soft_labels for item in conversation.utterances):
        return None
    matrix = torch.zeros(len(conversation), len(labels))
    for row, utterance in enumerate(conversation.utterances):
        for label, probability in utterance.soft_labels.items():
            matrix[row, labels.index(label)] = probability
    return matrix


def _stack_vectors(
    conversation: Conversation, table: FeatureTable | None, width: int
) -> tuple[Tensor, Tensor]:
    """Stack the vectors of a conversation, zeros if absent, with their presence mask.

    Shape: -> [N, width], [N] bool.
    """
    vectors = [
        None if table is None else table.vector(conversation.id, utterance.id)
        for utterance in conversation.utterances
    ]
    present = torch.tensor([vector is not None for vector in vectors])
    return torch.from_numpy(stack_vectors(vectors, width)), present
