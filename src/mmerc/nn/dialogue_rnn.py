"""DialogueRNN (Majumder et al., AAAI 2019) for several modalities and both directions at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_NEVER = -1e9

_Gates = tuple[Tensor, Tensor, Tensor, Tensor]


class DialogueRnn(nn.Module):
    """Track three states of a conversation, each with a gated recurrent unit (GRU, as in torch).

    At utterance u_t of speaker s:
    global state g_t = GRU([u_t; q_s], g_{t-1});
    context by attention c_t = sum_{k<t} softmax_k(u_t W g_k) g_k;
    speaker state q_s = GRU([u_t; c_t], q_s);
    emotion state e_t = GRU(q_s, e_{t-1}), the output.
    All start as zeros; only the speaking party's q changes. An absent utterance changes no state
    and nothing attends to it; padding counts as absent.

    The R = ``modalities`` (x 2, forwards first) runs have separate weights, stacked in the first
    dimension: ``from_vector`` [R, D, 7H] maps u to the gates of g and q (r, z, n each) and to the
    query u W; ``recurrent`` [6, R, H, 3H] maps q to g, g to g, c to q, q to q, q to e, e to e.
    Biases are one-dimensional, so that optimisers recognise them: R x 6H for u's gates, then
    4 x R x 3H for g to g, q to q, e to e and q to e.
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
        layout = _PackedSteps.of(present.any(0))
        with torch.autocast(vectors.device.type, enabled=False):
            inputs = vectors.to(self.recurrent.dtype).masked_fill(~present.unsqueeze(-1), 0.0)
            bias = self.vector_bias.view(self.runs, 1, -1)
            bias = functional.pad(bias, (0, self.hidden))  # the query has no bias
            drive = torch.baddbmm(bias, self.order(inputs, layout), self.from_vector)
            speaking = self.order(speakers.expand(len(present), -1, -1), layout)
            states = _Recurrence.apply(  # type: ignore[no-untyped-call]
                drive,
                self.recurrent,
                self.recurrent_bias.view(4, self.runs, 1, -1),
                layout.turns(speaking, self.order(present, layout)),
            )
        sides = states.chunk(2) if self.bidirectional else (states,)
        restored = [layout.restore(side, backwards=i == 1) for i, side in enumerate(sides)]
        return torch.cat(restored, -1)

    def order(self, values: Tensor, layout: _PackedSteps) -> Tensor:
        """Arrange values by step; in both orders if bidirectional.

        Shape: [M, B, N, ...] -> [R, P, ...].
        """
        flat = values.flatten(1, 2)
        orders = [layout.forwards, layout.backwards] if self.bidirectional else [layout.forwards]
        return torch.cat([flat[:, order] for order in orders])

    def both_directions(self, steps: Tensor) -> Tensor:
        """Append the reversed order, if bidirectional. Shape: [M, N, ...] -> [R, N, ...]."""
        return torch.cat([steps, steps.flip(1)]) if self.bidirectional else steps


@dataclass(frozen=True, slots=True)
class _Turns:
    """Number of conversations in each step, and the speakers' previous turns.

    ``previous`` [R, P] is 1 + the previous step of the same speaker, 0 if there is none, -1 where
    the modality is absent.
    """

    active: tuple[int, ...]
    previous: Tensor


@dataclass(frozen=True, slots=True)
class _PackedSteps:
    """The P utterances of a batch by step, without trailing padding.

    Conversations are sorted longest first, so step t has the first ``active[t]`` of them and
    padding costs nothing. For each place in this layout, ``forwards`` and ``backwards`` [P] hold
    the position of its utterance in [B * N]; ``step`` and ``row`` [P] hold its step and its
    conversation's index in the sorted order.
    """

    active: tuple[int, ...]
    forwards: Tensor
    backwards: Tensor
    step: Tensor
    row: Tensor
    shape: torch.Size

    @classmethod
    def of(cls, present: Tensor) -> _PackedSteps:
        """Lay out a batch. Shape: present [B, N] bool (in any modality)."""
        count = present.shape[1]
        numbers = torch.arange(1, count + 1, device=present.device)
        lengths = (present * numbers).amax(1) if count else numbers.new_zeros(len(present))
        lengths, order = lengths.sort(descending=True, stable=True)
        step, row = (lengths > numbers.unsqueeze(1) - 1).nonzero(as_tuple=True)
        first = order[row] * count
        return cls(
            active=tuple(n for n in (lengths >= numbers.unsqueeze(1)).sum(1).tolist() if n),
            forwards=first + step,
            backwards=first + lengths[row] - 1 - step,
            step=step,
            row=row,
            shape=present.shape,
        )

    def turns(self, speakers: Tensor, present: Tensor) -> _Turns:
        """Find each speaker's previous turn. Shape: speakers, present [R, P]."""
        shape = (len(speakers), len(self.active), self.active[0] if self.active else 0)
        no_speaker = int(speakers.max()) + 1 if speakers.numel() else 0
        table = speakers.new_full(shape, no_speaker)
        table[:, self.step, self.row] = speakers.masked_fill(~present, no_speaker)
        order = table.argsort(dim=1, stable=True)  # makes each speaker's turns adjacent
        turns = table.gather(1, order)
        before = torch.zeros_like(order)
        before[:, 1:] = (order[:, :-1] + 1) * (turns[:, 1:] == turns[:, :-1])
        previous = torch.empty_like(order).scatter_(1, order, before)
        return _Turns(
            active=self.active,
            previous=previous[:, self.step, self.row].masked_fill(~present, -1),
        )

    def restore(self, states: Tensor, *, backwards: bool) -> Tensor:
        """Scatter the states back to the utterances of their conversations.

        Trailing padding gets the conversation's last state; zeros if backwards.
        Shape: [M, P, H] -> [M, B, N, H].
        """
        batch, count = self.shape
        places = torch.full((batch * count,), -1, device=states.device)
        places[self.backwards if backwards else self.forwards] = torch.arange(
            states.shape[1], device=states.device
        )
        if not backwards:
            table = places.view(batch, count)
            later = torch.arange(count, device=states.device) * (table >= 0)
            places = table.gather(1, later.cummax(1).values).flatten() if count else places
        filled = (places >= 0).nonzero().squeeze(1)
        empty = states.new_zeros(len(states), batch * count, states.shape[-1])
        return empty.index_copy_(1, filled, states[:, places[filled]]).view(
            len(states), batch, count, -1
        )


class _Recurrence(torch.autograd.Function):
    """The time loop, with an explicit gradient.

    Autograd takes more than twice as long: it cannot update a buffer of states in place, and adds
    up the weights' gradients step by step.
    """

    @staticmethod
    def forward(ctx: Any, drive: Tensor, weights: Tensor, bias: Tensor, turns: _Turns) -> Tensor:
        """Run the steps over the conversations that have not ended.

        Shape: drive [R, P, 7H], weights [6, R, H, 3H], bias [4, R, 1, 3H] -> [R, P, H].
        """
        active, previous = turns.active, turns.previous
        runs, hidden, steps = len(drive), weights.shape[2], len(active)
        batch = active[0] if active else 0
        to_whole, to_party, queries = torch.split(drive, [3 * hidden, 3 * hidden, hidden], -1)
        past = drive.new_zeros(runs, batch, steps, hidden)  # g
        parties = drive.new_zeros(steps + 1, runs, batch, hidden)  # q of each step's speaker
        heard = torch.zeros(runs, batch, steps, dtype=torch.bool, device=drive.device)
        keeps = any(ctx.needs_input_grad)
        units, shares = tuple(_Unit(keeps) for _ in range(3)), []
        emotions = [drive.new_zeros(runs, 0, hidden)]
        overall = emotion = parties[0]
        for t, (now, count) in enumerate(_places(active)):
            present = (previous[:, now] >= 0).unsqueeze(-1)
            overall, emotion = overall[:, :count], emotion[:, :count]
            party = parties.flatten(0, 2)[_speaker_rows(previous[:, now], batch)].view_as(overall)
            recalled, share = _attend(queries[:, now], past[:, :count, :t], heard[:, :count, :t])
            moved = units[0].step(to_whole[:, now], party, overall, weights[:2], bias[0])
            past[:, :count, t] = overall = torch.where(present, moved, overall)
            heard[:, :count, t] = present.squeeze(-1)
            party = units[1].step(to_party[:, now], recalled, party, weights[2:4], bias[1])
            parties[t + 1, :, :count] = party
            moved = units[2].step(bias[3], party, emotion, weights[4:], bias[2])
            emotion = torch.where(present, moved, emotion)
            emotions.append(emotion)
            if keeps:
                shares.append(share)
        ctx.units, ctx.shares, ctx.past, ctx.turns = units, shares, past, turns
        ctx.save_for_backward(queries, weights)
        return torch.cat(emotions, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, into_emotions: Tensor) -> tuple[Tensor | None, ...]:
        """Run the steps backwards; compute the weights' gradients for all steps at once."""
        queries, weights = ctx.saved_tensors
        units, past, previous = ctx.units, ctx.past, ctx.turns.previous
        runs, batch, steps, hidden = past.shape
        into_past, into_queries = torch.zeros_like(past), torch.zeros_like(queries)
        into_parties = past.new_zeros(steps + 1, runs, batch, hidden)
        into = past.new_empty(3, 2, *queries.shape[:-1], weights.shape[-1])
        emotion = past.new_zeros(runs, 0, hidden)
        for t, (now, count) in reversed([*enumerate(_places(ctx.turns.active))]):
            present = (previous[:, now] >= 0).unsqueeze(-1)
            emotion = functional.pad(emotion, (0, 0, 0, count - emotion.shape[1]))
            emotion = emotion + into_emotions[:, now]
            party, state = units[2].back(t, emotion * present, weights[4:], into[2, :, :, now])
            emotion = state + emotion * ~present
            party = into_parties[t + 1, :, :count] + party
            recalled, party = units[1].back(t, party, weights[2:4], into[1, :, :, now])
            overall = into_past[:, :count, t]
            into_party, state = units[0].back(t, overall * present, weights[:2], into[0, :, :, now])
            into_parties.flatten(0, 2).index_add_(
                0, _speaker_rows(previous[:, now], batch), (party + into_party).flatten(0, 1)
            )
            if t:
                into_past[:, :count, t - 1] += state + overall * ~present
                into_queries[:, now] = _attend_backward(
                    recalled,
                    queries[:, now],
                    past[:, :count, :t],
                    ctx.shares[t],
                    into_past[:, :count, :t],
                )
        into_drive = torch.cat([into[0, 0], into[1, 0], into_queries], -1)
        into_weights = torch.zeros_like(weights)  # some 30 MB: concatenation would cost a copy
        for unit, part, place in zip(units, into, into_weights.chunk(3), strict=True):
            unit.add_up_weights(part, place)
        into_bias = torch.stack([*into[:, 1], into[2, 0]]).sum(2).unsqueeze(2)
        return into_drive, into_weights, into_bias, None


class _Unit:
    """One gated recurrent unit over all steps; ``keeps``: store values for the gradient."""

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
        """Return the gradients of input and state at step ``t``; write the gates' to ``into``.

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

        Shape: into [2, R, P, 3H], place [2, R, H, 3H].
        """
        if not self.stored:
            return
        entering, before, _ = zip(*self.stored, strict=True)
        for values, side, to in zip((entering, before), into, place, strict=True):
            torch.bmm(torch.cat(values, 1).mT, side, out=to)


def _places(active: tuple[int, ...]) -> list[tuple[slice, int]]:
    """Return each step's places in the layout, and their number."""
    ends = list(accumulate(active))
    return [(slice(end - count, end), count) for end, count in zip(ends, active, strict=True)]


def _speaker_rows(turns: Tensor, batch: int) -> Tensor:
    """Return the row of each speaker's last state among the states of all steps.

    Shape: turns of a step [R, b] -> [R * b], into [N + 1, R, B] flattened.
    """
    runs, count = turns.shape
    first = torch.arange(runs * batch, device=turns.device).view(runs, batch)[:, :count]
    return (turns.clamp(min=0) * (runs * batch) + first).flatten()


def _attend(query: Tensor, past: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
    """Average past states, weighted by attention; zeros if there are none.

    Shape: query [R, b, H], past [R, b, t, H], heard [R, b, t] -> [R, b, H], [R * b, 1, t].
    """
    states, visible = past.flatten(0, 1), heard.flatten(0, 1).unsqueeze(1)
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
    into_past += torch.bmm(*sides).view_as(into_past)
    return torch.bmm(into_scores, states).view_as(query)
