"""The context LSTM, compared with the LSTM's equations, one conversation at a time (Eq. 21)."""

import pytest
import torch

from mmerc.nn.context_lstm import ContextLstm

LENGTHS = (3, 6, 1)


def direction(vectors, weight_in, weight_state, bias):
    """Hidden states of one direction over [n, D], gate by gate."""
    hidden = weight_state.shape[1]
    state, cell, states = torch.zeros(hidden), torch.zeros(hidden), []
    for vector in vectors:
        gates = weight_in @ vector + weight_state @ state + bias
        take, forget, new, out = gates.split(hidden)
        cell = forget.sigmoid() * cell + take.sigmoid() * new.tanh()
        state = out.sigmoid() * cell.tanh()
        states.append(state)
    return states


def oracle(module, vectors):
    """[n, D] -> [n, width], forward and, if bidirectional, concatenated with backward."""
    p = dict(module.lstm.named_parameters())
    joined = direction(
        vectors, p["weight_ih_l0"], p["weight_hh_l0"], p["bias_ih_l0"] + p["bias_hh_l0"]
    )
    if module.lstm.bidirectional:
        backwards = direction(
            vectors.flip(0),
            p["weight_ih_l0_reverse"],
            p["weight_hh_l0_reverse"],
            p["bias_ih_l0_reverse"] + p["bias_hh_l0_reverse"],
        )[::-1]
        joined = [torch.cat(pair) for pair in zip(joined, backwards, strict=True)]
    return torch.stack(joined)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_padding_is_never_read(bidirectional):
    torch.manual_seed(0)
    module = ContextLstm(4, 5, bidirectional=bidirectional)
    vectors = torch.randn(len(LENGTHS), max(LENGTHS) + 1, 4)
    mask = torch.arange(max(LENGTHS) + 1) < torch.tensor(LENGTHS)[:, None]
    states = module(vectors.masked_fill(~mask[..., None], torch.nan), mask)
    assert states.shape == (*mask.shape, module.width)
    assert module.width == (10 if bidirectional else 5)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(states[row, :length], oracle(module, vectors[row, :length]))
        assert (states[row, length:] == 0).all()
