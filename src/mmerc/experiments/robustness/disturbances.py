"""What is done to each modality, as data, and how it is done to words.

A modality is ``zeroed`` (its input is 0 and counts as present: DQ-Former, Table 4) or ``absent``
(declared so). White noise is added to each utterance's sound, in decibels of its mean power; frames
(or pictures) of its film are lost and words of its transcript dropped, in percent. All of it is
drawn from the utterance's ids alone: the same in every run, and for every model.

[decided] Each frame and word goes by itself, and what goes at one share goes at every greater one
too. An utterance may lose all of its frames, then it has no video; of its words one always stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

import numpy as np

from mmerc.conversation import MODALITIES, Conversation, Modality

How = Literal["zeroed", "absent", "noise", "frame loss", "word dropout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """One row of the table; ``strength`` in decibels (noise) or percent, None where it has none."""

    modality: Modality
    how: How
    strength: float | None = None

    @property
    def amount(self) -> str:
        """The strength with its unit, or the way alone: where it stands on the figure's axis."""
        if self.strength is None:
            return self.how
        return f"{self.strength:g} {'dB' if self.how == 'noise' else '%'}"

    @property
    def name(self) -> str:
        return self.how if self.strength is None else f"{self.how}, {self.amount}"


GRADES: dict[Modality, tuple[How, tuple[float, ...]]] = {
    "text": ("word dropout", (10, 30, 50)),
    "audio": ("noise", (20, 10, 0)),
    "video": ("frame loss", (25, 50, 75)),
}


def disturbances_of(modality: Modality) -> tuple[Disturbance, ...]:
    """By growing strength, then without the modality."""
    how, strengths = GRADES[modality]
    return (
        *(Disturbance(modality=modality, how=how, strength=strength) for strength in strengths),
        Disturbance(modality=modality, how="zeroed"),
        Disturbance(modality=modality, how="absent"),
    )


DISTURBANCES = tuple(d for modality in MODALITIES for d in disturbances_of(modality))


def seed_of(conversation: str, utterance: str) -> int:
    """Whence all that happens to an utterance is drawn."""
    ids = f"{conversation}\0{utterance}".encode()
    return int.from_bytes(sha256(ids).digest()[:8])


def with_words_dropped(conversation: Conversation, share: float) -> Conversation:
    """The conversation in which each word is missing with the probability ``share`` (0 to 1)."""
    utterances = tuple(
        replace(item, text=drop_words(item.text, share, seed=seed_of(conversation.id, item.id)))
        for item in conversation.utterances
    )
    return replace(conversation, utterances=utterances)


def drop_words(text: str, share: float, *, seed: int) -> str:
    """The words that are left, one at least; a text without a word stays as it is."""
    words = text.split()
    if not words:
        return text
    draws = np.random.default_rng(seed).random(len(words))
    kept = draws >= share
    kept[draws.argmax()] = True
    return " ".join(word for word, stays in zip(words, kept, strict=True) if stays)
