"""Packed rows, and layers without a gradient for constants, compared with slow implementations."""

import pytest
import torch

from mmerc.nn.packing import Packing

LENGTHS = (3, 1, 5)


@pytest.fixture
def mask():
    return torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]


def test_packed_rows_are_the_real_utterances_in_order(mask):
    values = torch.randn(*mask.shape, 2)
    packing = Packing(mask, skip_padding=True)
    rows = [values[b, n] for b, length in enumerate(LENGTHS) for n in range(length)]
    assert torch.equal(packing.pack(values), torch.stack(rows))
    restored = packing.unpack(packing.pack(values))
    assert torch.equal(restored[mask], values[mask])
    assert (restored[~mask] == 0).all()
    assert torch.equal(packing.unpack(packing.pack(mask)), mask)


def test_padding_changes_nothing(mask):
    values = torch.randn(*mask.shape, 2)
    packing = Packing(mask, skip_padding=False)
    assert len(packing.pack(values)) == mask.numel()
    assert torch.equal(packing.unpack(packing.pack(values)), values)


@pytest.mark.parametrize(("lengths", "rows"), [((20, 13, 4), 48), ((16, 16), 32), ((9, 9), 32)])
def test_bfloat16_uses_few_row_counts(lengths, rows):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    values = torch.randn(*mask.shape, 2)
    with torch.autocast("cpu", torch.bfloat16):
        packing = Packing(mask, skip_padding=True)
    packed = packing.pack(values, fill=-100)
    assert len(packed) == rows
    assert (packed[sum(lengths) :] == -100).all()
    assert torch.equal(packing.unpack(packed)[mask], values[mask])
    assert int(packing.pack(mask).sum()) == sum(lengths)
