"""Split tokenised conversations into windows that fit a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, Protocol

import torch

from mmerc.data.batch import TextWindows
from mmerc.data.first_fit import place_first_fit
from mmerc.nn.padding import ROW_STEP, round_up

_AROUND = 4  # [CLS] and three [SEP] around an utterance and its context
_SHARED_ROW = 128  # tokens per row of independently encoded utterances


_Scope = Literal["conversation", "utterance", "surrounding"]
_TokenRow = tuple[list[int], list[int]]  # token ids, and the utterance of each


class Tokenizer(Protocol):
    """The interface of an encoder's tokenizer for batches."""

    scope: _Scope
    max_length: int
    first_id: int
    last_id: int
    pad_id: int

    def encode(self, texts: Sequence[str], *, limit: int) -> list[list[int]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Utterances ``start`` to ``end`` (exclusive) in a window; ``pooled`` ones are pooled here."""

    start: int
    end: int
    pooled: frozenset[int]


def _plan_windows(lengths: Sequence[int], *, budget: int) -> list[_Window]:
    """Split utterances of ``lengths`` tokens into windows of at most ``budget`` tokens.

    [decided] Windows overlap by about half and have at least one utterance; an utterance is pooled
    in the window where it is furthest from an edge. No utterance may exceed the budget.
    """
    bounds = _window_bounds(lengths, budget=budget)
    home: dict[int, tuple[int, int]] = {}  # utterance -> (distance to an edge, window)
    for number, (start, end) in enumerate(bounds):
        before, total = 0, sum(lengths[start:end])
        for utterance in range(start, end):
            after = total - before - lengths[utterance]
            distance = min(before, after)
            if utterance not in home or distance > home[utterance][0]:
                home[utterance] = (distance, number)
            before += lengths[utterance]
    return [
        _Window(start=start, end=end, pooled=frozenset(u for u in home if home[u][1] == number))
        for number, (start, end) in enumerate(bounds)
    ]


def _window_bounds(lengths: Sequence[int], *, budget: int) -> list[tuple[int, int]]:
    """Return start and end of every window; each extends beyond the previous one."""
    bounds: list[tuple[int, int]] = []
    start = end = 0
    while end < len(lengths):
        total = sum(lengths[start : end + 1])
        while end < len(lengths) and (total <= budget or end == start):
            end += 1
            total += lengths[end] if end < len(lengths) else 0
        bounds.append((start, end))
        if end < len(lengths):
            start = _next_start(lengths, start, end, budget)
    return bounds


def _next_start(lengths: Sequence[int], start: int, end: int, budget: int) -> int:
    """Return the first utterance such that at most half the budget is used up to ``end``.

    Later if the utterance at ``end`` would not fit otherwise.
    """
    following = start + 1
    while following < end and (
        sum(lengths[following:end]) > budget // 2 or sum(lengths[following : end + 1]) > budget
    ):
        following += 1
    return following


def build_windows(
    conversations: Sequence[Sequence[Sequence[int]]], tokenizer: Tokenizer, padded: int
) -> TextWindows:
    """Build the windows of a batch of conversations (lists of the utterances' token ids).

    ``padded`` is N, the number of utterances to which the batch is padded.
    Shape: see :class:`mmerc.data.batch.TextWindows`.
    """
    none = len(conversations) * padded
    make = {
        "conversation": _rows_of_conversations,
        "utterance": _rows_of_utterances,
        "surrounding": _rows_of_surroundings,
    }
    rows = make[tokenizer.scope](conversations, tokenizer, padded)
    empty_row = [tokenizer.first_id, tokenizer.last_id], [none, none]
    rows = rows or [empty_row]
    longest = round_up(max(len(ids) for ids, _ in rows), ROW_STEP)
    longest = min(longest, tokenizer.max_length)
    token_ids = torch.full((len(rows), longest), tokenizer.pad_id)
    pool_into = torch.full((len(rows), longest), none)
    attention_mask = torch.zeros((len(rows), longest), dtype=torch.bool)
    for row, (ids, pool) in enumerate(rows):
        token_ids[row, : len(ids)] = torch.tensor(ids)
        pool_into[row, : len(pool)] = torch.tensor(pool)
        attention_mask[row, : len(ids)] = True
    return TextWindows(token_ids=token_ids, attention_mask=attention_mask, pool_into=pool_into)


def _rows_of_conversations(
    conversations: Sequence[Sequence[Sequence[int]]], tokenizer: Tokenizer, padded: int
) -> list[_TokenRow]:
    """Build ``[CLS] first utterance, second utterance, ... [SEP]`` per window (Eq. 1)."""
    none = len(conversations) * padded
    rows: list[_TokenRow] = []
    for position, utterances in enumerate(conversations):
        lengths = [len(tokens) for tokens in utterances]
        for window in _plan_windows(lengths, budget=tokenizer.max_length - 2):
            ids, pool = [tokenizer.first_id], [none]
            for utterance in range(window.start, window.end):
                target = position * padded + utterance if utterance in window.pooled else none
                ids.extend(utterances[utterance])
                pool.extend([target] * len(utterances[utterance]))
            rows.append(([*ids, tokenizer.last_id], [*pool, none]))
    return rows


def _rows_of_utterances(
    conversations: Sequence[Sequence[Sequence[int]]], tokenizer: Tokenizer, padded: int
) -> list[_TokenRow]:
    """Build ``[CLS] utterance [SEP]`` per utterance, packed into rows, longest first.

    Special tokens are included in the utterance's mean, as in sentence encoders.
    """
    utterances = [
        (position * padded + number, [tokenizer.first_id, *tokens, tokenizer.last_id])
        for position, conversation in enumerate(conversations)
        for number, tokens in enumerate(conversation)
        if tokens
    ]
    lengths = [len(ids) for _, ids in utterances]
    limit = min(tokenizer.max_length, max([_SHARED_ROW, *lengths]))
    rows: list[_TokenRow] = []
    for packed in place_first_fit(lengths, size_of_row=lambda length: limit):
        row: _TokenRow = ([], [])
        for target, ids in (utterances[item] for item in packed.items):
            row[0].extend(ids)
            row[1].extend([target] * len(ids))
        rows.append(row)
    return rows


def _rows_of_surroundings(
    conversations: Sequence[Sequence[Sequence[int]]], tokenizer: Tokenizer, padded: int
) -> list[_TokenRow]:
    """Build ``[CLS] preceding [SEP] utterance [SEP] following [SEP]`` each (MultiEMO, 3.3.1).

    Only [CLS] is pooled. [decided] Separators are kept even without preceding or following text.
    """
    none = len(conversations) * padded
    between = [tokenizer.last_id]
    budget = tokenizer.max_length - _AROUND
    rows: list[_TokenRow] = []
    for position, utterances in enumerate(conversations):
        lengths = [len(tokens) for tokens in utterances]
        for number, tokens in enumerate(utterances):
            if tokens:
                start, end = surrounding(lengths, number, budget=budget)
                preceding = list(chain.from_iterable(utterances[start:number]))
                following = list(chain.from_iterable(utterances[number + 1 : end]))
                parts = preceding, between, tokens, between, following, between
                ids = [tokenizer.first_id, *chain.from_iterable(parts)]
                target = position * padded + number
                rows.append((ids, [target, *[none] * (len(ids) - 1)]))
    return rows


def surrounding(lengths: Sequence[int], current: int, *, budget: int) -> tuple[int, int]:
    """Return the range of utterances around ``current`` that fits into ``budget`` tokens.

    ``end`` is exclusive. [decided] Whole utterances are dropped, furthest first; at equal distance,
    the following one.
    """
    start, end, total = current, current + 1, lengths[current]
    distances = ((current - step, current + step) for step in range(1, len(lengths)))
    for utterance in chain.from_iterable(distances):
        if 0 <= utterance < len(lengths):
            total += lengths[utterance]
            if total > budget:
                break
            start, end = min(start, utterance), max(end, utterance + 1)
    return start, end
