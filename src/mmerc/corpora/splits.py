"""Splits by whole conversations, for corpora without published splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from mmerc.conversation import Conversation, Split
from mmerc.errors import InputError, UsageError

Conversations = tuple[Conversation, ...]


def hold_out(
    conversations: Sequence[Conversation], *, seed: int, share: float
) -> tuple[Conversations, Conversations]:
    """Split into training and validation conversations, both in their original order.

    The choice depends only on seed and conversation ids, not on their order. Each side gets at
    least one conversation; InputError if there are fewer than two.
    """
    if not 0 < share < 1:
        raise UsageError(f"The validation share must be between 0 and 1, got {share}.")
    if len(conversations) < 2:
        problem = "fewer than two conversations, so that none can be held out for validation"
        raise InputError("training split", problem, "give more conversations")
    names = sorted(conversation.id for conversation in conversations)
    count = min(max(round(share * len(names)), 1), len(names) - 1)
    chosen = np.random.default_rng(seed).choice(len(names), size=count, replace=False)
    held_out = {names[position] for position in chosen}
    train = tuple(item for item in conversations if item.id not in held_out)
    valid = tuple(item for item in conversations if item.id in held_out)
    return train, valid


def split_by_ratio(names: Sequence[str], *, seed: int) -> dict[Split, frozenset[str]]:
    """Split conversation names 8:1:1; 151 become DQ-Former's 121 / 14 / 16 (Table 1).

    Uses a hash of seed and name, so it does not depend on machine and order. Each split gets at
    least one; InputError if there are fewer than three.
    """
    if len(names) < 3:
        problem = f"{len(names)} conversations cannot be divided among three splits"
        raise InputError("the corpus", problem, "give more conversations")

    def draw(name: str) -> bytes:
        return hashlib.sha256(f"{seed} {name}".encode()).digest()

    order, count = sorted(names, key=draw), len(names)
    test = -(-count // 10)
    valid = max(1, count - round(0.8 * count) - test)
    return {
        "train": frozenset(order[test + valid :]),
        "valid": frozenset(order[test : test + valid]),
        "test": frozenset(order[:test]),
    }


def hold_out_note(valid: Conversations, *, seed: int) -> str:
    """Remark that the validation split is our own."""
    utterances = sum(len(conversation) for conversation in valid)
    return (
        f"The corpus is published without a validation split: {len(valid)} whole training "
        f"conversations ({utterances} utterances) were held out with seed {seed}."
    )
