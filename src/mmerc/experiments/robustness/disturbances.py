"""The disturbances of each modality, and dropping of words.

A modality is ``zeroed`` (its input is 0 and counts as present: DQ-Former, Table 4) or ``absent``.
White noise is added to each utterance's sound, in decibels relative to its mean power; frames (or
pictures) of its video are lost and words of its transcript dropped, in percent. Randomness depends
only on the utterance's ids, so it is the same in every run and for every model.

[decided] Frames and words are dropped independently; larger shares drop the same ones and more. An
utterance that loses all frames has no video; at least one word is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mmerc.conversation import MODALITIES, Conversation, Modality
from mmerc.media.degradation import drop_words, utterance_seed

_Kind = Literal["zeroed", "absent", "noise", "frame loss", "word dropout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """A row of the table; ``strength`` in decibels (noise) or percent, None if ungraded."""

    modality: Modality
    how: _Kind
    strength: float | None = None

    @property
    def amount(self) -> str:
        """The strength with its unit, else the kind, as a tick label."""
        if self.strength is None:
            return self.how
        return f"{self.strength:g} {'dB' if self.how == 'noise' else '%'}"

    @property
    def name(self) -> str:
        return self.how if self.strength is None else f"{self.how}, {self.amount}"


_GRADES: dict[Modality, tuple[_Kind, tuple[float, ...]]] = {
    "text": ("word dropout", (10, 30, 50)),
    "audio": ("noise", (20, 10, 0)),
    "video": ("frame loss", (25, 50, 75)),
}


def modality_disturbances(modality: Modality) -> tuple[Disturbance, ...]:
    """Return disturbances by increasing strength, then those without the modality."""
    how, strengths = _GRADES[modality]
    return (
        *(Disturbance(modality=modality, how=how, strength=strength) for strength in strengths),
        Disturbance(modality=modality, how="zeroed"),
        Disturbance(modality=modality, how="absent"),
    )


DISTURBANCES = tuple(d for modality in MODALITIES for d in modality_disturbances(modality))


def drop_conversation_words(conversation: Conversation, share: float) -> Conversation:
    """Drop each word of a conversation with the probability ``share`` (0 to 1)."""
    utterances = tuple(
        replace(
            item,
            text=drop_words(item.text, share, seed=utterance_seed(conversation.id, item.id)),
        )
        for item in conversation.utterances
    )
    return replace(conversation, utterances=utterances)
