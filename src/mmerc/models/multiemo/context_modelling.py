"""Project every modality to one width and add its context (MultiEMO, Sec. 3.3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.models.multiemo.config import MultiEmoConfig
from mmerc.nn.cross_attention import TransformerLayer
from mmerc.nn.dialogue_rnn import DialogueRnn
from mmerc.nn.mlp import linear
from mmerc.nn.packing import PresentPositions


class ContextModelling(nn.Module):
    """A linear layer per modality; DialogueRNN for audio, video and (``text_context``) text.

    With ``text_transformer_layers``, text vectors are of single utterances and a transformer over
    the conversation adds their context (the two-stage paradigm of App. A.1).

    [decided] Audio vectors wider than ``audio_width`` take two linear layers (6373 - 512 - 256);
    the two directions of DialogueRNN are reduced to ``width`` by a linear layer.
    """

    def __init__(self, widths: Mapping[Modality, int], config: MultiEmoConfig) -> None:
        super().__init__()
        self.projection = nn.ModuleDict(
            {m: _build_projection(m, width, config) for m, width in widths.items()}
        )
        self.in_dialogue = [m for m in widths if m != "text" or config.text_context]
        self.dialogue: DialogueRnn | None = None
        if self.in_dialogue:
            self.dialogue = DialogueRnn(
                config.width,
                config.width,
                modalities=len(self.in_dialogue),
                bidirectional=config.bidirectional,
            )
        self.text_transformer = (
            _TextTransformer(config)
            if "text" in widths and config.text_transformer_layers
            else None
        )
        both = config.bidirectional
        self.directions = nn.ModuleDict(
            {
                m: nn.Linear(2 * config.width, config.width) if both else nn.Identity()
                for m in self.in_dialogue
            }
        )

    def forward(
        self,
        vectors: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        speakers: Tensor,
    ) -> dict[Modality, Tensor]:
        """Add context to every modality; values where it is absent are meaningless.

        Shape: vectors[m] [B, N, D_m], present[m] and speakers [B, N] -> {m: [B, N, width]}.
        """
        context: dict[Modality, Tensor] = {}
        for m in vectors:
            positions = PresentPositions(present[m])
            context[m] = positions.spread(self.projection[m](positions.take(vectors[m])))
        if self.text_transformer is not None:
            context["text"] = self.text_transformer(context["text"], present["text"])
        if self.dialogue is not None:
            states = self.dialogue(
                torch.stack([context[m] for m in self.in_dialogue]),
                torch.stack([present[m] for m in self.in_dialogue]),
                speakers,
            )
            for m, state in zip(self.in_dialogue, states, strict=True):
                context[m] = self.directions[m](state)
        return context


class _TextTransformer(nn.Module):
    """Context of the text vectors by self-attention over the conversation (App. A.1).

    [decided] The encoder of Vaswani et al. with sinusoidal positions; width and heads are those of
    MultiAttn. Utterances without text are masked.
    """

    def __init__(self, config: MultiEmoConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(config.width, heads=config.attention_heads, dropout=config.dropout)
            for _ in range(config.text_transformer_layers)
        )

    def forward(self, text: Tensor, present: Tensor) -> Tensor:
        """Shape: text [B, N, width], present [B, N] -> [B, N, width]."""
        text = text + sine_positions(text.shape[1], text.shape[2]).to(text)
        for layer in self.layers:
            text = layer(text, text, present)
        return text


def sine_positions(count: int, width: int) -> Tensor:
    """Return sinusoidal positions (Vaswani et al. 2017). Shape: [N, width]."""
    places = torch.arange(count).unsqueeze(1)
    frequencies = 10_000 ** (-torch.arange(0, width, 2) / width)
    angles = places * frequencies
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]


def _build_projection(modality: Modality, width: int, config: MultiEmoConfig) -> nn.Module:
    """Map a modality to the common width. Shape: [..., width] -> [..., config.width]."""
    if modality == "audio" and width > config.audio_width:
        middle = config.audio_width
        return nn.Sequential(linear(width, middle, constant=0), nn.Linear(middle, config.width))
    return linear(width, config.width, constant=0)
