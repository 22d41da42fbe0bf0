"""DialogueRNN as a loop that ONNX supports; only for export."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.nn.dialogue_rnn import DialogueRnn


def replace_recurrent(module: nn.Module) -> None:
    """Replace every ``DialogueRnn`` inside ``module`` by its exportable form."""
    for name, child in module.named_children():
        if isinstance(child, DialogueRnn):
            setattr(module, name, _LoopedDialogueRnn(child))
        else:
            replace_recurrent(child)


class _LoopedDialogueRnn(nn.Module):
    """``DialogueRnn`` without its custom gradient, which exporters do not support."""

    def __init__(self, source: DialogueRnn) -> None:
        super().__init__()
        self.source = source

    def forward(self, vectors: Tensor, present: Tensor, speakers: Tensor) -> Tensor:
        """Shape: as for ``DialogueRnn``."""
        rnn = self.source
        visible = vectors.masked_fill(~present.unsqueeze(-1), 0.0)
        steps = _both_directions(rnn, visible.transpose(1, 2))
        speech = _both_directions(rnn, present.transpose(1, 2))
        speaking = _both_directions(rnn, speakers.T.unsqueeze(0).expand(len(present), -1, -1))
        bias = functional.pad(rnn.vector_bias.view(rnn.runs, 1, 1, -1), (0, rnn.hidden))
        drive = steps @ rnn.from_vector.unsqueeze(1) + bias
        recurrent_bias = rnn.recurrent_bias.view(4, rnn.runs, 1, -1)
        states = _recur(drive, _last_turn_by_pairs(speaking, speech), rnn.recurrent, recurrent_bias)
        if rnn.bidirectional:
            forwards, backwards = states.chunk(2)
            states = torch.cat([forwards, backwards.flip(1)], -1)
        output: Tensor = states.transpose(1, 2)
        return output


def _both_directions(rnn: DialogueRnn, steps: Tensor) -> Tensor:
    """Append the reversed order, if bidirectional. Shape: [M, N, ...] -> [R, N, ...]."""
    return torch.cat([steps, steps.flip(1)]) if rnn.bidirectional else steps


def _last_turn_by_pairs(speakers: Tensor, present: Tensor) -> Tensor:
    """Find each speaker's previous turn by comparing all pairs; ONNX has no stable sort.

    Shape: speakers, present [R, N, B] -> [R, N, B].
    """
    places = torch.arange(speakers.shape[1])
    earlier = (places[None, :] < places[:, None])[None, :, :, None]
    same = (speakers.unsqueeze(2) == speakers.unsqueeze(1)) & present.unsqueeze(1) & earlier
    before = (same * (places + 1)[None, None, :, None]).amax(2)
    return torch.where(present, before, -1)


@torch.jit.script
def _unit(
    drive: Tensor, entering: Tensor, state: Tensor, *, weights: Tensor, bias: Tensor
) -> Tensor:
    """A gated recurrent unit, as in ``mmerc.nn.dialogue_rnn``. Shape: weights [2, R, H, 3H]."""
    hidden = state.size(-1)
    inputs = drive + entering @ weights[0]
    states = bias + state @ weights[1]
    both = (inputs[:, :, : 2 * hidden] + states[:, :, : 2 * hidden]).sigmoid()
    update = both[:, :, hidden:]
    reset = both[:, :, :hidden]
    candidate = (inputs[:, :, 2 * hidden :] + reset * states[:, :, 2 * hidden :]).tanh()
    return candidate + update * (state - candidate)


@torch.jit.script
def _recur(drive: Tensor, turns: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """The time loop of ``Recurrence``, scripted so that its length is dynamic.

    Shape: drive [R, N, B, 7H], turns [R, N, B], weights [6, R, H, 3H], bias [4, R, 1, 3H]
    -> [R, N, B, H].
    """
    hidden = weights.size(2)
    places = torch.arange(drive.size(1))
    speech = (turns >= 0).transpose(1, 2)  # [R, B, N]
    whole = torch.zeros_like(drive[:, 0, :, :hidden])
    emotion = whole
    past = torch.zeros_like(drive[:, :, :, :hidden]).transpose(1, 2)  # [R, B, N, H]
    parties, emotions = past, past
    for t in range(drive.size(1)):
        step, turn = drive[:, t], turns[:, t].unsqueeze(-1)
        here = (places == t).unsqueeze(-1)
        party = (parties * (places + 1 == turn).unsqueeze(-1)).sum(2)
        seen = speech & (places < t)
        scores = (past * step[:, :, 6 * hidden :].unsqueeze(2)).sum(-1)
        shares = scores.masked_fill(~seen, -1e9).softmax(-1) * seen
        recalled = (shares.unsqueeze(-1) * past).sum(2)
        moved = _unit(step[:, :, : 3 * hidden], party, whole, weights=weights[:2], bias=bias[0])
        whole = torch.where(turn >= 0, moved, whole)
        heard = step[:, :, 3 * hidden : 6 * hidden]
        party = _unit(heard, recalled, party, weights=weights[2:4], bias=bias[1])
        moved = _unit(bias[3], party, emotion, weights=weights[4:], bias=bias[2])
        emotion = torch.where(turn >= 0, moved, emotion)
        past = torch.where(here, whole.unsqueeze(2), past)
        parties = torch.where(here, party.unsqueeze(2), parties)
        emotions = torch.where(here, emotion.unsqueeze(2), emotions)
    return emotions.transpose(1, 2)
