"""Utterances as a language model reads them one by one, each behind what was said before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmerc.data.text_windows import Tokenizer


@dataclass(frozen=True, slots=True)
class UtteranceTokenizer:
    """An encoder's tokenizer for a model that reads utterances by themselves (DQ-Former, Sec. 3.2).

    ``[CLS] up to history preceding utterances [SEP] target [SEP]``. [decided] Whole utterances of
    history are left out, the oldest first, until the rest fits; a target without history keeps both
    separators; an utterance without a word has no tokens at all, and counts as no history.
    """

    base: Tokenizer
    history: int

    @property
    def pad_id(self) -> int:
        return self.base.pad_id

    @property
    def max_length(self) -> int:
        """One less than the encoder's: there is a separator more."""
        return self.base.max_length - 1

    def target_begins(self, ids: Sequence[int]) -> int:
        """How many tokens of a sequence stand before its target's."""
        return ids.index(self.base.last_id) + 1 if ids else 0

    def encode(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """Ids of each of a conversation's utterances, behind its history; ``limit`` for each."""
        spoken = self.base.encode(texts, limit=min(limit, self.max_length - 2))
        return [
            self.sequence(spoken[max(0, position - self.history) : position], target)
            for position, target in enumerate(spoken)
        ]

    def sequence(self, history: Sequence[Sequence[int]], target: Sequence[int]) -> list[int]:
        """Ids of one utterance; none where it has none itself."""
        if not target:
            return []
        room = self.base.max_length - 3 - len(target)
        kept: list[int] = []
        for utterance in reversed(history):
            if len(kept) + len(utterance) > room:
                break
            kept = [*utterance, *kept]
        end = self.base.last_id
        return [self.base.first_id, *kept, end, *target, end]
