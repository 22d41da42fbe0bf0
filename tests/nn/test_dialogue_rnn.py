"""DialogueRNN in one loop, compared with its equations, one conversation at a time."""

import pytest
import torch

from mmerc.nn.dialogue_rnn import DialogueRnn

LENGTHS = (5, 1, 7, 3)
D, H = 4, 3


def gru(weights, bias, inputs, state):
    """torch.nn.GRUCell's equations; weights and bias of the inputs, then of the state."""
    given = inputs @ weights[0] + bias[0]
    own = state @ weights[1] + bias[1]
    reset, update = torch.sigmoid(given[:H] + own[:H]), torch.sigmoid(given[H:-H] + own[H:-H])
    candidate = torch.tanh(given[-H:] + reset * own[-H:])
    return (1 - update) * candidate + update * state


def weights_of(module, run):
    """Weights and biases of the three GRU cells of one direction, and the attention matrix."""
    vector, query = module.from_vector[run].split([6 * H, H], 1)
    to_global, to_party = vector.chunk(2, 1)
    pg, gg, cp, pp, pe, ee = module.recurrent[:, run]
    global_in, party_in = module.vector_bias.view(module.runs, -1)[run].chunk(2)
    g, p, e, e_in = module.recurrent_bias.view(4, module.runs, -1)[:, run]
    return {
        "global": ((torch.cat([to_global, pg]), gg), (global_in, g)),
        "party": ((torch.cat([to_party, cp]), pp), (party_in, p)),
        "emotion": ((pe, ee), (e_in, e)),
        "attention": query,
    }


def one_direction(weights, vectors, speakers):
    """e_t of every utterance (Majumder et al. 2019)."""
    zero = weights["attention"].new_zeros(H)
    past, parties, emotion, emotions = [], {}, zero, []
    for vector, speaker in zip(vectors, speakers, strict=True):
        party = parties.get(speaker, zero)
        recalled = zero
        if past:
            exponentials = [torch.exp(vector @ weights["attention"] @ state) for state in past]
            recalled = sum(
                e / sum(exponentials) * g for e, g in zip(exponentials, past, strict=True)
            )
        whole = gru(*weights["global"], torch.cat([vector, party]), past[-1] if past else zero)
        past.append(whole)
        parties[speaker] = gru(*weights["party"], torch.cat([vector, recalled]), party)
        emotion = gru(*weights["emotion"], parties[speaker], emotion)
        emotions.append(emotion)
    return emotions


def oracle(module, vectors, present, speakers):
    """Conversation by conversation; an absent utterance is skipped."""
    modalities, conversations, steps = present.shape
    directions = 2 if module.bidirectional else 1
    out = {}
    for m in range(modalities):
        for b in range(conversations):
            for direction in range(directions):
                weights = weights_of(module, direction * modalities + m)
                order = [t for t in range(steps) if present[m, b, t]]
                order = order[::-1] if direction else order
                actual = one_direction(
                    weights, [vectors[m, b, t] for t in order], [int(speakers[b, t]) for t in order]
                ) if order else []  # fmt: skip
                for t, emotion in zip(order, actual, strict=True):
                    out[m, b, t, direction] = emotion
    return out


def case(*, modalities=3, bidirectional=True, speakers=3, seed=0, absent=0.25):
    torch.manual_seed(seed)
    module = DialogueRnn(D, H, modalities=modalities, bidirectional=bidirectional).double()
    size = (modalities, len(LENGTHS), max(LENGTHS) + 1)
    real = torch.arange(size[-1]) < torch.tensor(LENGTHS)[:, None]
    present = (torch.rand(size) >= absent) & real
    vectors = torch.randn(*size, D, dtype=torch.float64)
    return module, vectors, present, torch.randint(speakers, size[1:])


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("speakers", [1, 3, 30])
def test_states_and_gradients_match_the_equations(bidirectional, speakers):
    module, vectors, present, who = case(bidirectional=bidirectional, speakers=speakers)
    vectors.requires_grad_()
    states = module(vectors, present, who)
    assert states.shape == (*present.shape, module.width)
    assert module.width == H * (1 + bidirectional)
    expected = oracle(module, vectors, present, who)
    assert len(expected) == int(present.sum()) * (1 + bidirectional)
    weigh = torch.randn_like(states)
    total = 0
    for (m, b, t, direction), emotion in expected.items():
        part = slice(H * direction, H * (direction + 1))
        torch.testing.assert_close(states[m, b, t, part], emotion)
        total = total + (emotion * weigh[m, b, t, part]).sum()
    seen = (states * weigh * present[..., None]).sum()
    torch.testing.assert_close(seen, total)
    requested = [vectors, *module.parameters()]
    actual = torch.autograd.grad(seen, requested)
    for one, other in zip(actual, torch.autograd.grad(total, requested), strict=True):
        assert other.abs().max() > 1e-3
        torch.testing.assert_close(one, other)


def test_absent_utterance_leaves_every_state_unchanged():
    """Its output equals its neighbour's, also in padding; other outputs are as without it."""
    module, vectors, present, who = case(modalities=1, bidirectional=False, absent=0.4)
    states = module(vectors, present, who)[0]
    for b, existing in enumerate(present[0]):
        before = torch.zeros(H, dtype=torch.float64)
        for t, here in enumerate(existing):
            if not here:
                assert torch.equal(states[b, t], before)
            before = states[b, t]
    b = 2
    kept = present[0, b].nonzero().flatten()
    assert len(kept) < LENGTHS[b]
    alone = module(vectors[:, [b]][:, :, kept], present[:, [b]][:, :, kept], who[[b]][:, kept])
    torch.testing.assert_close(alone[0, 0], states[b, kept])


def test_values_at_absent_utterances_are_never_read():
    module, vectors, present, who = case()
    filled = vectors.masked_fill(~present[..., None], torch.nan).requires_grad_()
    states = module(filled, present, who)
    assert torch.equal(states, module(vectors, present, who))
    states.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())
    assert (filled.grad[~present] == 0).all()


def test_output_is_zero_if_nothing_is_present():
    module, vectors, present, who = case()
    states = module(vectors, torch.zeros_like(present), who)
    states.sum().backward()
    assert (states == 0).all()
    assert all((p.grad == 0).all() for p in module.parameters())


def test_speaker_numbering_does_not_matter():
    module, vectors, present, who = case()
    renamed = torch.tensor([-7, 1000, 12])[who]
    assert torch.equal(module(vectors, present, renamed), module(vectors, present, who))
    other = who.clone()
    other[:, 1] = 5
    assert not torch.equal(module(vectors, present, other), module(vectors, present, who))


def test_autocast_changes_nothing():
    module, vectors, present, who = case()
    module, vectors = module.float(), vectors.float().requires_grad_()
    expected = module(vectors, present, who)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = module(vectors, present, who)
    assert torch.equal(actual, expected)


def test_gradient_matches_finite_differences():
    module, vectors, present, who = case(modalities=1)
    vectors.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given: module(given, present, who)[present], vectors, fast_mode=True
    )
