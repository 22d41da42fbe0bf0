"""DialogueRNN (Majumder et al., AAAI 2019), for several modalities and both directions at once."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_NEVER = -1e9

_Gates = tuple[Tensor, Tensor, Tensor, Tensor]


class DialogueRnn(nn.Module):
    """Track three states of a conversation, each by a gated recurrent unit as torch's.

    At utterance u_t of speaker s: g_t = GRU([u_t; q_s], g_{t-1}) is the global state of the
    conversation, c_t = sum_{k<t} softmax_k(u_t W g_k) g_k its context by attention,
    q_s = GRU([u_t; c_t], q_s) the speaker's state, and e_t = GRU(q_s, e_{t-1}), the output, that of
    the emotion. All start as zeros; only the speaker's own state changes. At an absent utterance
    all states stay unchanged, and nothing attends to it; padding counts as absent.

    The R = ``modalities`` (x 2, forwards first) runs have weights of their own, stacked in the
    first dimension: ``from_vector`` [R, D, 7H] maps u to the gates of g and q (r, z, n each) and to
    the query u W; ``recurrent`` [6, R, H, 3H] maps q to g, g to g, c to q, q to q, q to e, e to e.
    Biases are one-dimensional, so that optimisers recognise them: R x 6H of u's gates, then
    4 x R x 3H of g to g, q to q, e to e and q to e.
    """

    def __init__(
        self, width: int, hidden: int, *, modalities: int = 1, bidirectional: bool = True
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.bidirectional = bidirectional
        self.runs = runs = modalities * (2 if bidirectional else 1)
        self.width = hidden * (2 if bidirectional else 1)
        self.from_vector = nn.Parameter(torch.empty(runs, width, 7 * hidden))
        self.recurrent = nn.Parameter(torch.empty(6, runs, hidden, 3 * hidden))
        self.vector_bias = nn.Parameter(torch.empty(runs * 6 * hidden))
        self.recurrent_bias = nn.Parameter(torch.empty(4 * runs * 3 * hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def forward(self, vectors: Tensor, present: Tensor, speakers: Tensor) -> Tensor:
        """Run over the utterances of every conversation, for every modality.

        Shape: vectors [M, B, N, D], present [M, B, N] bool, speakers [B, N] int (equal numbers for
        the same speaker of a conversation) -> [M, B, N, width].
        """
        with torch.autocast(vectors.device.type, enabled=False):
            inputs = vectors.to(self.recurrent.dtype).masked_fill(~present.unsqueeze(-1), 0.0)
            steps = self.both_directions(inputs.transpose(1, 2))  # [R, N, B, D]
            occupied = self.both_directions(present.transpose(1, 2))
            speaking = self.both_directions(speakers.T.expand(len(present), -1, -1))
            bias = self.vector_bias.view(self.runs, 1, -1)
            bias = functional.pad(bias, (0, self.hidden))  # the query has none
            drive = torch.baddbmm(bias, steps.flatten(1, 2), self.from_vector)
            states = _Recurrence.apply(  # type: ignore[no-untyped-call]
                drive.view(*occupied.shape, -1),
                _last_turn(speaking, occupied),
                self.recurrent,
                self.recurrent_bias.view(4, self.runs, 1, -1),
            )
        if self.bidirectional:
            forwards, backwards = states.chunk(2)
            states = torch.cat([forwards, backwards.flip(1)], -1)
        return states.transpose(1, 2)  # type: ignore[no-any-return]

    def both_directions(self, steps: Tensor) -> Tensor:
        """Append the reversed order, if bidirectional. Shape: [M, N, ...] -> [R, N, ...]."""
        return torch.cat([steps, steps.flip(1)]) if self.bidirectional else steps


def _last_turn(speakers: Tensor, present: Tensor) -> Tensor:
    """Return 1 + the previous step of the same speaker, 0 if there is none, -1 if absent.

    Shape: speakers, present [R, N, B] -> [R, N, B].
    """
    speakers = speakers.masked_fill(~present, int(speakers.max()) + 1)
    order = speakers.argsort(dim=1, stable=True)  # each speaker's turns are adjacent
    turns = speakers.gather(1, order)
    before = torch.zeros_like(order)
    before[:, 1:] = (order[:, :-1] + 1) * (turns[:, 1:] == turns[:, :-1])
    return torch.empty_like(order).scatter_(1, order, before).masked_fill_(~present, -1)


class _Recurrence(torch.autograd.Function):
    """The time loop, with its gradient written out.

    Autograd cannot update a buffer of states in place, and adds up the gradients of the weights
    step by step, which takes more than twice as long.
    """

    @staticmethod
    def forward(ctx: Any, drive: Tensor, turns: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
        """Shape: drive [R, N, B, 7H], turns [R, N, B], weights [6, R, H, 3H], bias [4, R, 1, 3H]
        -> [R, N, B, H].
        """
        runs, steps, batch, hidden = *drive.shape[:3], weights.shape[2]
        parts = [3 * hidden, 3 * hidden, hidden]
        to_whole, to_party, queries = torch.split(drive, parts, -1)
        past = drive.new_zeros(runs, batch, steps, hidden)  # g
        parties = drive.new_zeros(steps + 1, runs, batch, hidden)  # q of each step's speaker
        present, rows = (turns >= 0).unsqueeze(-1), _speaker_rows(turns)
        keeps = any(ctx.needs_input_grad)
        units, shares, emotions = tuple(_Unit(keeps) for _ in range(3)), [], []
        overall = emotion = parties[0]
        for t in range(steps):
            party = parties.flatten(0, 2)[rows[t]].view_as(overall)
            recalled, share = _attend(queries[:, t], past[:, :, :t], present[:, :t])
            moved = units[0].step(to_whole[:, t], party, overall, weights[:2], bias[0])
            past[:, :, t] = overall = torch.where(present[:, t], moved, overall)
            party = units[1].step(to_party[:, t], recalled, party, weights[2:4], bias[1])
            parties[t + 1] = party
            moved = units[2].step(bias[3], party, emotion, weights[4:], bias[2])
            emotion = torch.where(present[:, t], moved, emotion)
            emotions.append(emotion)
            if keeps:
                shares.append(share)
        ctx.units, ctx.shares, ctx.past = units, shares, past
        ctx.save_for_backward(queries, turns, weights)
        return torch.stack(emotions, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, into_emotions: Tensor) -> tuple[Tensor, None, Tensor, Tensor]:
        """Run the steps backwards; the weights get the gradients of all steps at once."""
        queries, turns, weights = ctx.saved_tensors
        units, past = ctx.units, ctx.past
        steps = turns.shape[1]
        present, rows = (turns >= 0).unsqueeze(-1), _speaker_rows(turns)
        into_past, into_queries = torch.zeros_like(past), torch.zeros_like(queries)
        into_parties = past.new_zeros(steps + 1, *into_emotions[:, 0].shape)
        into = past.new_empty(3, 2, *queries.shape[:-1], weights.shape[-1])
        emotion = torch.zeros_like(into_emotions[:, 0])
        for t in reversed(range(steps)):
            emotion = emotion + into_emotions[:, t]
            party, state = units[2].back(t, emotion * present[:, t], weights[4:], into[2, :, :, t])
            emotion = state + emotion * ~present[:, t]
            party = into_parties[t + 1] + party
            recalled, party = units[1].back(t, party, weights[2:4], into[1, :, :, t])
            overall = into_past[:, :, t]
            into_party, state = units[0].back(
                t, overall * present[:, t], weights[:2], into[0, :, :, t]
            )
            into_parties.flatten(0, 2).index_add_(0, rows[t], (party + into_party).flatten(0, 1))
            if t:
                into_past[:, :, t - 1] += state + overall * ~present[:, t]
                into_queries[:, t] = _attend_backward(
                    recalled, queries[:, t], past[:, :, :t], ctx.shares[t], into_past[:, :, :t]
                )
        into_drive = torch.cat([into[0, 0], into[1, 0], into_queries], -1)
        into_weights = torch.empty_like(weights)  # some 30 MB: concatenation would cost a copy
        for unit, part, place in zip(units, into, into_weights.chunk(3), strict=True):
            unit.add_up_weights(part, place)
        into_bias = torch.stack([*into[:, 1], into[2, 0]]).sum((2, 3)).unsqueeze(2)
        return into_drive, None, into_weights, into_bias


class _Unit:
    """One gated recurrent unit over all steps; ``keeps``: store what its gradient needs."""

    def __init__(self, keeps: bool) -> None:
        self.keeps = keeps
        self.stored: list[tuple[Tensor, Tensor, _Gates]] = []

    def step(
        self, drive: Tensor, entering: Tensor, state: Tensor, weights: Tensor, bias: Tensor
    ) -> Tensor:
        """Compute the new state.

        Shape: drive [R, B, 3H], entering and state [R, B, H], weights [2, R, H, 3H] (of the input,
        of the state), bias [R, 1, 3H] -> [R, B, H].
        """
        hidden = state.shape[-1]
        inputs = torch.baddbmm(drive, entering, weights[0])
        states = torch.baddbmm(bias, state, weights[1])
        both = (inputs[..., : 2 * hidden] + states[..., : 2 * hidden]).sigmoid_()
        reset, update = both.chunk(2, -1)
        carried = states[..., 2 * hidden :]
        candidate = torch.addcmul(inputs[..., 2 * hidden :], reset, carried).tanh_()
        if self.keeps:
            self.stored.append((entering, state, (reset, update, candidate, carried)))
        return torch.lerp(candidate, state, update)

    def back(
        self, t: int, gradient: Tensor, weights: Tensor, into: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients of the input at step ``t`` and of the state; gates' go to ``into``.

        Shape: gradient [R, B, H], weights as in ``step``, into [2, R, B, 3H] -> [R, B, H] twice.
        """
        _, state, (reset, update, candidate, carried) = self.stored[t]
        into_candidate = gradient * (1 - update) * (1 - candidate * candidate)
        into_reset, into_update, into_new = into.chunk(3, -1)
        into_reset[:] = into_candidate * carried * reset * (1 - reset)
        into_update[:] = gradient * (state - candidate) * update * (1 - update)
        into_new[0] = into_candidate
        into_new[1] = into_candidate * reset
        into_state = torch.baddbmm(gradient * update, into[1], weights[1].mT)
        return torch.bmm(into[0], weights[0].mT), into_state

    def add_up_weights(self, into: Tensor, place: Tensor) -> None:
        """Write the gradient of the weights over all steps to ``place``.

        Shape: into [2, R, N, B, 3H], place [2, R, H, 3H].
        """
        entering, before, _ = zip(*self.stored, strict=True)
        for values, side, to in zip((entering, before), into, place, strict=True):
            torch.bmm(torch.stack(values, 1).flatten(1, 2).mT, side.flatten(1, 2), out=to)


def _speaker_rows(turns: Tensor) -> list[Tensor]:
    """For each step, return the row of the speaker's last state among the states of all steps.

    Shape: [R, N, B] -> N times [R * B], into [N + 1, R, B] flattened.
    """
    first = torch.arange(turns[:, 0].numel(), device=turns.device)
    flat = turns.clamp(min=0).transpose(0, 1).flatten(1)
    return list(flat * len(first) + first)


def _attend(query: Tensor, past: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Average past states, weighted by attention; zeros if there are none.

    Shape: query [R, B, H], past [R, B, t, H], present [R, t, B, 1] -> [R, B, H], [R * B, 1, t].
    """
    states, visible = past.flatten(0, 1), present.permute(0, 2, 3, 1).flatten(0, 1)
    scores = torch.bmm(query.flatten(0, 1).unsqueeze(1), states.mT).masked_fill_(~visible, _NEVER)
    shares = scores.softmax(-1) * visible
    return torch.bmm(shares, states).view_as(query), shares


def _attend_backward(
    gradient: Tensor, query: Tensor, past: Tensor, shares: Tensor, into_past: Tensor
) -> Tensor:
    """Return the gradient of the query; add that of the past states to ``into_past``."""
    states = past.flatten(0, 1)
    recalled, queried = gradient.flatten(0, 1).unsqueeze(1), query.flatten(0, 1).unsqueeze(1)
    into_shares = torch.bmm(recalled, states.mT)
    into_scores = shares * (into_shares - (shares * into_shares).sum(-1, keepdim=True))
    sides = torch.cat([shares, into_scores], 1).mT, torch.cat([recalled, queried], 1)
    into_past.flatten(0, 1).baddbmm_(*sides)
    return torch.bmm(into_scores, states).view_as(query)
