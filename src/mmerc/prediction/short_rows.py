"""Pack utterances that are read separately into short rows, for fast prediction."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import torch

from mmerc.data.batch import TextWindows
from mmerc.data.first_fit import place_first_fit
from mmerc.nn.padding import split_count

_SHORTEST_ROW = 32  # tokens; attention computes complete rows, so short ones cost less
_GROUP = 1024  # tokens per call; the vectors of more do not fit into the processor's cache


def pack_short_rows(windows: TextWindows, *, none: int, pad_id: int) -> Iterator[TextWindows]:
    """Yield the utterances of packed windows in groups of short rows, which have few shapes.

    Rows have 32 tokens, or the next power of two for longer utterances. A group has 1, 2, 4, 8,
    16 or 32 rows, of at most 1,024 tokens unless it is one row. ``none`` marks tokens without an
    utterance in ``pool_into``; ``attention_mask`` is true for all others.
    """
    pooled = windows.pool_into != none
    token_ids = torch.cat([windows.token_ids[pooled], windows.token_ids.new_tensor([pad_id])])
    owners = torch.cat([windows.pool_into[pooled], windows.pool_into.new_tensor([none])])
    lengths = torch.unique_consecutive(owners[:-1], return_counts=True)[1].tolist()
    padding = len(owners) - 1
    starts = [0, *accumulate(lengths)]
    rows: dict[int, list[list[int]]] = {}
    for row in place_first_fit(lengths, size_of_row=_row_length):
        filled = [token for item in row.items for token in range(starts[item], starts[item + 1])]
        rows.setdefault(row.size, []).append(filled + [padding] * (row.size - len(filled)))
    for size, same in rows.items():
        places = torch.tensor(same, device=owners.device)
        for part in torch.split(places, group_sizes(len(same), size)):
            pool_into = owners[part]
            yield TextWindows(
                token_ids=token_ids[part], attention_mask=pool_into != none, pool_into=pool_into
            )


def _row_length(longest: int) -> int:
    """Round up to a power of two, at least the shortest row."""
    return max(_SHORTEST_ROW, 1 << (longest - 1).bit_length())


def group_sizes(rows: int, length: int) -> list[int]:
    """Split a number of rows of ``length`` tokens into groups whose sizes are powers of two."""
    most = min(max(_GROUP // length, 1), _GROUP // _SHORTEST_ROW)
    return split_count(rows, [2**power for power in reversed(range(most.bit_length()))])
