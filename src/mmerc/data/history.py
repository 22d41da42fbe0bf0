"""Tokenise single utterances, each preceded by its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmerc.data.text_windows import Tokenizer


@dataclass(frozen=True, slots=True)
class UtteranceTokenizer:
    """A tokenizer for models that read single utterances (DQ-Former, Sec. 3.2).

    ``[CLS] up to history preceding utterances [SEP] target [SEP]``. [decided] To fit, whole
    utterances of history are dropped, oldest first; a target without history keeps both separators;
    utterances without words have no tokens and are not history.
    """

    base: Tokenizer
    history: int

    @property
    def pad_id(self) -> int:
        return self.base.pad_id

    @property
    def max_length(self) -> int:
        """The encoder's maximum minus one, for the additional separator."""
        return self.base.max_length - 1

    def target_begins(self, ids: Sequence[int]) -> int:
        """Return the number of tokens before the target."""
        return ids.index(self.base.last_id) + 1 if ids else 0

    def encode(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """Tokenise each utterance of a conversation with its history, up to ``limit`` ids each."""
        spoken = self.base.encode(texts, limit=min(limit, self.max_length - 2))
        return [
            self.sequence(spoken[max(0, position - self.history) : position], target)
            for position, target in enumerate(spoken)
        ]

    def sequence(self, history: Sequence[Sequence[int]], target: Sequence[int]) -> list[int]:
        """Return the ids of an utterance with its history; none if it has no tokens."""
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
