"""MultiAttn: every modality attends to the others (MultiEMO, Eqs. 2-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.conversation import Modality
from mmerc.models.multiemo.config import MultiEmoConfig
from mmerc.nn.attention import attention
from mmerc.nn.dropout import FastDropout
from mmerc.nn.mlp import mlp
from mmerc.nn.packing import PresentPositions

Shares = dict[tuple[Modality, Modality], Tensor]
"""(querying modality, attended modality) -> [B, N, N]: attention between utterances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionInput:
    """Keys and values of a modality, for one layer of another modality.

    Shape: key and value [B, heads, N, W / heads]; ``readable`` [B, 1, 1, N] bool, the present
    utterances, or all if none is present, so that no softmax is empty; ``silent`` [B, N, 1] bool,
    true for conversations without the modality, None if there are none.
    """

    key: Tensor
    value: Tensor
    readable: Tensor
    silent: Tensor | None


_AttentionInputs = Mapping[Modality, AttentionInput]


class MultiAttention(nn.Module):
    """``layers`` layers per modality, which attend to the others' unchanged contexts.

    Text attends to audio and then video, audio to text and video, video to text and audio.
    [decided] If the other modality is absent, that step is skipped; a single modality passes
    through the feed-forward networks only.
    """

    def __init__(self, modalities: Sequence[Modality], config: MultiEmoConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                m: nn.ModuleList(
                    MultiAttentionLayer([other for other in modalities if other != m], config)
                    for _ in range(config.layers)
                )
                for m in modalities
            }
        )

    def forward(
        self, context: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> dict[Modality, Tensor]:
        """Fuse the contexts; modalities that ``context`` lacks are ignored.

        Shape: context[m] [B, N, W], present[m] [B, N] bool -> {m: [B, N, W]}, 0 where absent.
        """
        sources = self.sources(context, present)
        fused: dict[Modality, Tensor] = {}
        for modality, vectors in context.items():
            positions = PresentPositions(present[modality])
            queries = positions.take(vectors)
            for layer, read in zip(self.modality_layers(modality), sources[modality], strict=True):
                queries = layer(queries, read, positions)
            fused[modality] = positions.spread(queries)
        return fused

    def sources(
        self, context: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> dict[Modality, list[dict[Modality, AttentionInput]]]:
        """Compute keys and values for every layer, with one product per attended modality."""
        sources = {
            m: [dict[Modality, AttentionInput]() for _ in self.modality_layers(m)] for m in context
        }
        for other, vectors in context.items():
            silent = ~present[other].any(1, keepdim=True)
            readable = (present[other] | silent)[:, None, None]
            quiet = silent.expand_as(present[other]).unsqueeze(-1) if bool(silent.any()) else None
            positions = PresentPositions(present[other])
            readers = [
                (read, layer.reader(other))
                for m in context
                if m != other
                for read, layer in zip(sources[m], self.modality_layers(m), strict=True)
            ]
            weights = [w.weight for _, reader in readers for w in (reader.key, reader.value)]
            if not readers:
                continue
            product = functional.linear(positions.take(vectors), torch.cat(weights))
            parts = positions.spread(product).chunk(len(weights), -1)
            for (read, reader), key, value in zip(readers, parts[::2], parts[1::2], strict=True):
                read[other] = AttentionInput(
                    key=reader.split(key),
                    value=reader.split(value),
                    readable=readable,
                    silent=quiet,
                )
        return sources

    @torch.no_grad()
    def shares(
        self, context: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> Shares:
        """Return the attention between utterances, mean over heads and layers.

        0 for absent utterances; 0 throughout if the conversation lacks the other modality.
        """
        sources = self.sources(context, present)
        shares: Shares = {}
        for modality, vectors in context.items():
            positions, layers = PresentPositions(present[modality]), self.modality_layers(modality)
            queries = positions.take(vectors)
            for layer, read in zip(layers, sources[modality], strict=True):
                for other, share in layer.shares(queries, read, positions).items():
                    key = (modality, other)
                    shares[key] = shares.get(key, 0.0) + share / len(layers)
                queries = layer(queries, read, positions)
        return shares

    def modality_layers(self, modality: Modality) -> Sequence[MultiAttentionLayer]:
        """Return the layers of a modality, in order."""
        return cast(Sequence[MultiAttentionLayer], self.layers[modality])


class MultiAttentionLayer(nn.Module):
    """One layer of one modality (Eqs. 2-12), with dropout after each step as in Vaswani et al.

    [decided] Weights on the residual branches start at (8 T)^-1/4 of torch's default, as in
    DeepNet (Wang et al. 2022): otherwise six post-norm layers train unstably.
    """

    def __init__(self, others: Sequence[Modality], config: MultiEmoConfig) -> None:
        super().__init__()
        width = config.width
        self.others = tuple(others)
        self.attention = nn.ModuleDict(
            {m: CrossAttention(width, config.attention_heads) for m in others}
        )
        self.attention_norm = nn.ModuleDict({m: nn.LayerNorm(width) for m in others})
        self.feed_forward = mlp(width, width, hidden=config.feed_forward_width, dropout=0.0)
        self.norm = nn.LayerNorm(width)
        self.dropout = FastDropout(config.dropout)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.ndim > 1 and not name.endswith(("query.weight", "key.weight")):
                    parameter.mul_((8 * config.layers) ** -0.25)

    def forward(
        self, queries: Tensor, sources: _AttentionInputs, positions: PresentPositions
    ) -> Tensor:
        """Run the layer. Shape: queries [P, W] at ``places`` -> [P, W]."""
        for other in self.others:
            if other in sources:
                queries = self.read(queries, other, sources[other], positions)
        changed: Tensor = self.norm(queries + self.dropout(self.feed_forward(queries)))
        return changed

    def read(
        self, queries: Tensor, other: Modality, source: AttentionInput, positions: PresentPositions
    ) -> Tensor:
        """Apply Eqs. 2-5 or 6-9; conversations with nothing to attend to keep their queries."""
        attended = self.reader(other)(queries, source, positions)
        joined: Tensor = self.attention_norm[other](queries + self.dropout(attended))
        if source.silent is None:
            return joined
        return torch.where(positions.take(source.silent), queries, joined)

    def shares(
        self, queries: Tensor, sources: _AttentionInputs, positions: PresentPositions
    ) -> dict[Modality, Tensor]:
        """Return the attention of each step. Shape: queries [P, W] -> {m: [B, N, N]}."""
        shares: dict[Modality, Tensor] = {}
        for other in self.others:
            if other in sources:
                shares[other] = self.reader(other).shares(queries, sources[other], positions)
                queries = self.read(queries, other, sources[other], positions)
        return shares

    def reader(self, other: Modality) -> CrossAttention:
        """Return the attention to another modality."""
        return cast(CrossAttention, self.attention[other])


class CrossAttention(nn.Module):
    """Eqs. 2-4: attention from one modality's utterances to another's; projections without biases.

    (Eq. 2 prints the values of a third modality, a misprint: keys and values share a modality.)
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(
        self, queries: Tensor, source: AttentionInput, positions: PresentPositions
    ) -> Tensor:
        """Attend; meaningless without readable positions. Shape: queries [P, W] -> [P, W]."""
        query = self.split(positions.spread(self.query(queries)))
        mixed = attention(self, query, source.key, source.value, source.readable)[0]
        attended: Tensor = self.output(positions.take(mixed.flatten(2)))
        return attended

    def shares(
        self, queries: Tensor, source: AttentionInput, positions: PresentPositions
    ) -> Tensor:
        """Return the attention weights, mean over the heads. Shape: queries [P, W] -> [B, N, N]."""
        query = self.split(positions.spread(self.query(queries)))
        scores = query @ source.key.mT / query.shape[-1] ** 0.5
        visible = scores.float().masked_fill(~source.readable, -torch.inf)
        shares: Tensor = visible.softmax(-1).mean(1)
        return shares if source.silent is None else shares.masked_fill(source.silent, 0.0)

    def split(self, vectors: Tensor) -> Tensor:
        """Split into heads. Shape: [B, N, W] -> [B, heads, N, W / heads]."""
        heads = vectors.view(*vectors.shape[:2], self.heads, -1)
        return heads.transpose(1, 2)
