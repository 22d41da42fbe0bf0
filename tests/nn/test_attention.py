from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from mmerc.nn.attention import _LONGEST_SHORT, _masked_scores, attention


def inputs(length):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, length, 8, requires_grad=True) for _ in range(3))
    mask = torch.ones(2, 1, 1, length, dtype=torch.bool)
    mask[1, :, :, length // 2 :] = False
    return query, key, value, mask


@pytest.mark.parametrize("length", [5, _LONGEST_SHORT, _LONGEST_SHORT + 1])
@pytest.mark.parametrize("masked", [True, False])
def test_output_and_gradient_equal_the_reference(length, masked):
    query, key, value, mask = inputs(length)
    mask = mask if masked else None
    module = SimpleNamespace(training=True, is_causal=False)
    output, _ = attention(module, query, key, value, mask)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)
    assert torch.allclose(output, expected, atol=1e-5)
    weight = torch.randn_like(output)
    ours = torch.autograd.grad((output * weight).sum(), (query, key, value))
    theirs = torch.autograd.grad((expected * weight).sum(), (query, key, value))
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_padding_is_never_read():
    query, key, value, mask = inputs(6)
    module = SimpleNamespace(training=True, is_causal=False)
    output, _ = attention(module, query, key, value, mask)
    with torch.no_grad():
        key[1, :, 3:] = 1e4
        value[1, :, 3:] = 1e4
    again, _ = attention(module, query, key, value, mask)
    assert torch.allclose(output[1], again[1], atol=1e-5)


def test_dropout_is_applied_only_on_request():
    query, key, value, _ = inputs(6)
    module = SimpleNamespace(training=True, is_causal=False)
    plain, _ = attention(module, query, key, value, None)
    dropped, _ = attention(module, query, key, value, None, dropout=0.5)
    assert not torch.allclose(plain, dropped)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_masked_positions_equal_a_filled_matrix_bit_for_bit(dtype):
    torch.manual_seed(0)
    query, key = (torch.randn(2, 3, 20, 8).to(dtype) for _ in range(2))
    block = torch.randint(0, 4, (2, 1, 20, 1)).sort(2).values
    for mask in (block == block.mT, torch.arange(20).expand(2, 1, 1, 20) < 15):
        filled = (query @ key.mT).masked_fill(~mask, torch.finfo(dtype).min)
        actual = _masked_scores(query, key, mask)
        assert torch.equal(actual.softmax(-1), filled.softmax(-1))
