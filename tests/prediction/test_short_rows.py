"""Short rows keep every utterance whole, in few shapes."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from mmerc.data.batch import TextWindows
from mmerc.prediction.short_rows import group_sizes, pack_short_rows

PAD = 0


def windows_of(lengths):
    """One row per utterance; token ids count up."""
    count, longest = len(lengths), max(lengths)
    visible = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ids = visible.flatten().cumsum(0).view(count, longest) * visible
    owners = torch.where(visible, torch.arange(count)[:, None], count)
    return TextWindows(token_ids=ids, attention_mask=visible, pool_into=owners)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=80))
def test_each_utterance_is_in_one_row_in_order(lengths):
    windows, count = windows_of(lengths), len(lengths)
    seen = {}
    for part in pack_short_rows(windows, none=count, pad_id=PAD):
        rows, size = part.token_ids.shape
        assert rows in group_sizes(rows, size)
        assert size in (32, 64, 128, 256, 512) and rows in (1, 2, 4, 8, 16, 32)
        assert rows * size <= 1024
        assert torch.equal(part.attention_mask, part.pool_into != count)
        assert (part.token_ids[~part.attention_mask] == PAD).all()
        for ids, owners in zip(part.token_ids, part.pool_into, strict=True):
            for owner in owners[owners != count].unique_consecutive().tolist():
                assert owner not in seen
                seen[owner] = ids[owners == owner].tolist()
    for owner, length in enumerate(lengths):
        assert seen[owner] == windows.token_ids[owner, :length].tolist()


def test_text_without_words_has_no_rows():
    nobody = torch.full((1, 16), 3)
    windows = TextWindows(token_ids=nobody, attention_mask=nobody > 9, pool_into=nobody)
    assert list(pack_short_rows(windows, none=3, pad_id=PAD)) == []


def test_few_long_rows_are_read_one_by_one():
    assert group_sizes(3, 2048) == [1, 1, 1]
    assert group_sizes(39, 64) == [16, 16, 4, 2, 1]
