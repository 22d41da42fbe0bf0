"""A validation split of whole training conversations, for corpora published without one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmerc.conversation import Conversation
from mmerc.errors import InputError, UsageError

Conversations = tuple[Conversation, ...]


def hold_out(
    conversations: Sequence[Conversation], *, seed: int, share: float
) -> tuple[Conversations, Conversations]:
    """Split into training and validation conversations, both in their first order.

    The choice depends on the seed and the conversation ids alone, not on their order. At least one
    conversation goes to either side; InputError where there are fewer than two.
    """
    if not 0 < share < 1:
        raise UsageError(f"The validation share must lie between 0 and 1, got {share}.")
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


def hold_out_note(valid: Conversations, *, seed: int) -> str:
    """Say that the validation split is ours."""
    utterances = sum(len(conversation) for conversation in valid)
    return (
        f"The corpus is published without a validation split: {len(valid)} whole training "
        f"conversations ({utterances} utterances) were held out with seed {seed}."
    )
