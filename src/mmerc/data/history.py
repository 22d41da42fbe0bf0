"""Utterances as a language model reads them one by one, each after its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmerc.data.text_windows import Tokenizer


@dataclass(frozen=True, slots=True)
class UtteranceTokenizer:
    """An encoder's tokenizer for a model that reads utterances by themselves (DQ-Former, Sec. 3.2).

    ``[CLS] up to history preceding utterances [SEP] target [SEP]``. [decided] Whole utterances of
    history are dropped, the oldest first, until the rest fits; a target without history keeps both
    separators; an utterance without words has no tokens, and is no history.
    """

    base: Tokenizer
    history: int

    @property
    def pad_id(self) -> int:
        return self.base.pad_id

    @property
    def max_length(self) -> int:
        """One less than the encoder's, for the additional separator."""
        return self.base.max_length - 1

    def target_begins(self, ids: Sequence[int]) -> int:
        """Number of tokens before the target's first."""
        return ids.index(self.base.last_id) + 1 if ids else 0

    def encode(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """Ids of each utterance of a conversation after its history, ``limit`` for each."""
        spoken = self.base.encode(texts, limit=min(limit, self.max_length - 2))
        return [
            self.sequence(spoken[max(0, position - self.history) : position], target)
            for position, target in enumerate(spoken)
        ]

    def sequence(self, history: Sequence[Sequence[int]], target: Sequence[int]) -> list[int]:
        """Ids of one utterance after its history; none if the utterance has none."""
        if not target:
            return []
        room = self.base.max_length - 3 - len(target)
        context: list[int] = []
        for utterance in reversed(history):
            if len(context) + len(utterance) > room:
                break
            context = [*utterance, *context]
        end = self.base.last_id
        return [self.base.first_id, *context, end, *target, end]
