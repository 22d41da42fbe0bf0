"""Recurrent parts in the form that ONNX has for them; for export alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmerc.nn.context import ContextLstm
from mmerc.nn.dialogue_rnn import NEVER, DialogueRnn, Unit

ONNX_GATES = (0, 3, 1, 2)  # torch: input, forget, cell, output; ONNX: input, output, forget, cell


def replace_recurrent(module: nn.Module) -> None:
    """Put the exportable form in the place of every recurrent part inside ``module``."""
    for name, child in module.named_children():
        if isinstance(child, ContextLstm):
            setattr(module, name, OnnxLstm(child))
        elif isinstance(child, DialogueRnn):
            setattr(module, name, ScannedDialogueRnn(child))
        else:
            replace_recurrent(child)


class OnnxLstm(nn.Module):
    """``ContextLstm`` as ONNX's operator LSTM, which takes lengths in the place of packing."""

    weights: Tensor
    recurrent: Tensor
    biases: Tensor

    def __init__(self, source: ContextLstm) -> None:
        super().__init__()
        lstm = source.lstm
        self.hidden = lstm.hidden_size
        self.directions = ("", "_reverse") if lstm.bidirectional else ("",)
        parts: dict[str, Any] = dict(lstm.named_parameters())

        def joined(kind: str) -> Tensor:
            return torch.stack([by_gate(parts[f"{kind}_l0{way}"]) for way in self.directions])

        self.register_buffer("weights", joined("weight_ih"))
        self.register_buffer("recurrent", joined("weight_hh"))
        self.register_buffer("biases", torch.cat([joined("bias_ih"), joined("bias_hh")], -1))

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Shape: as ``ContextLstm``; the operator has no meaning outside of an export."""
        batch, steps = mask.shape
        lengths = mask.sum(1).to(torch.int32)
        states = torch.onnx.ops.symbolic(
            "LSTM",
            (vectors.transpose(0, 1), self.weights, self.recurrent, self.biases, lengths),
            {
                "hidden_size": self.hidden,
                "direction": "bidirectional" if len(self.directions) == 2 else "forward",
            },
            dtype=torch.float32,
            shape=(steps, len(self.directions), batch, self.hidden),
        )
        return states.permute(2, 0, 1, 3).flatten(2)


def by_gate(parameter: Tensor) -> Tensor:
    """The gates in ONNX's order. Shape: [4H, ...] -> [4H, ...]."""
    gates = parameter.detach().chunk(4)
    return torch.cat([gates[i] for i in ONNX_GATES])


class ScannedDialogueRnn(DialogueRnn):
    """``DialogueRnn`` as a scan over the utterances, whose number the graph need not know."""

    def __init__(self, source: DialogueRnn) -> None:
        nn.Module.__init__(self)
        self.hidden, self.bidirectional = source.hidden, source.bidirectional
        self.runs, self.width = source.runs, source.width
        for name, parameter in source.named_parameters():
            self.register_parameter(name, parameter)

    def recur(self, drive: Tensor, speakers: Tensor, present: Tensor) -> Tensor:
        """Shape: drive [R, N, B, 7H], speakers and present [R, N, B] -> [R, N, B, H]."""
        turns = last_turn(speakers, present)
        runs, steps, batch = turns.shape
        there = present.permute(0, 2, 1)  # [R, B, N]
        weights, bias = self.recurrent, self.recurrent_bias.view(4, runs, 1, -1)
        places = torch.arange(steps, device=drive.device)

        def step(carry: Any, given: Any) -> Any:
            past, parties, whole, emotion = carry
            drive, turn, place = given
            to_whole, to_party, query = torch.split(drive, [3 * self.hidden] * 2 + [self.hidden], -1)
            now, seen = (turn >= 0).unsqueeze(-1), there & (places < place)
            party = (parties * (places + 1 == turn.unsqueeze(-1)).unsqueeze(-1)).sum(2)
            scores = (past * query.unsqueeze(2)).sum(-1).masked_fill(~seen, NEVER)
            recalled = ((scores.softmax(-1) * seen).unsqueeze(-1) * past).sum(2)
            moved = Unit(False).step(to_whole, party, whole, weights[:2], bias[0])
            whole = torch.where(now, moved, whole)
            party = Unit(False).step(to_party, recalled, party, weights[2:4], bias[1])
            moved = Unit(False).step(bias[3], party, emotion, weights[4:], bias[2])
            emotion = torch.where(now, moved, emotion)
            here = (places == place)[:, None]
            past = torch.where(here, whole.unsqueeze(2), past)
            parties = torch.where(here, party.unsqueeze(2), parties)
            return (past, parties, whole, emotion), emotion.clone()

        raise NotImplementedError
