"""MultiAttn: every modality reads the others (MultiEMO, Eqs. 2-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.conversation import Modality
from mmerc.models.multiemo.config import MultiEmoConfig
from mmerc.nn.dropout import FastDropout
from mmerc.nn.mlp import mlp

Shares = dict[tuple[Modality, Modality], Tensor]
"""(who asks, who is read) -> [B, N, N]: each utterance's attention to all of its conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionInput:
    """A modality as one layer of another reads it.

    Shape: key and value [B, heads, N, W / heads]; ``readable`` [B, 1, 1, N] bool, the present
    utterances, but all where none is, so that no softmax is empty; ``silent`` [B, N, 1], those
    conversations, None where there is no such.
    """

    key: Tensor
    value: Tensor
    readable: Tensor
    silent: Tensor | None


AttentionInputs = Mapping[Modality, AttentionInput]


class PresentPositions:
    """Where a modality is present: P of B x N places. Nothing is computed for the others."""

    def __init__(self, present: Tensor) -> None:
        self.rows = present.flatten().nonzero().squeeze(1)
        self.shape = present.shape

    def take(self, vectors: Tensor) -> Tensor:
        """Shape: [B, N, ...] -> [P, ...]."""
        return vectors.flatten(0, 1)[self.rows]

    def spread(self, vectors: Tensor) -> Tensor:
        """Shape: [P, ...] -> [B, N, ...], zeros where the modality is absent."""
        batch, length = self.shape
        everywhere = vectors.new_zeros(batch * length, *vectors.shape[1:])
        spread = everywhere.index_copy(0, self.rows, vectors)
        return spread.view(batch, length, *vectors.shape[1:])


class MultiAttention(nn.Module):
    """``layers`` layers a modality, each over the others' contexts, which stay as they are.

    Text reads audio and then video, audio text and video, video text and audio. [decided] Where a
    modality is not there to be read, that step is left out whole; a modality alone is led through
    the feed-forward networks.
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
        """Shape: context[m] [B, N, W], present[m] [B, N] bool -> {m: [B, N, W]}, 0 where absent.

        A modality that ``context`` lacks is neither led through nor read.
        """
        sources = self.sources(context, present)
        fused: dict[Modality, Tensor] = {}
        for modality, vectors in context.items():
            places = PresentPositions(present[modality])
            queries = places.take(vectors)
            for layer, read in zip(self.layers_of(modality), sources[modality], strict=True):
                queries = layer(queries, read, places)
            fused[modality] = places.spread(queries)
        return fused

    def sources(
        self, context: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> dict[Modality, list[dict[Modality, AttentionInput]]]:
        """What every layer of every modality reads, one product for all who read the same."""
        sources = {
            m: [dict[Modality, AttentionInput]() for _ in self.layers_of(m)] for m in context
        }
        for other, vectors in context.items():
            silent = ~present[other].any(1, keepdim=True)
            readable = (present[other] | silent)[:, None, None]
            quiet = silent.expand_as(present[other]).unsqueeze(-1) if bool(silent.any()) else None
            places = PresentPositions(present[other])
            readers = [
                (read, layer.reader(other))
                for m in context
                if m != other
                for read, layer in zip(sources[m], self.layers_of(m), strict=True)
            ]
            weights = [w.weight for _, reader in readers for w in (reader.key, reader.value)]
            if not readers:
                continue
            product = functional.linear(places.take(vectors), torch.cat(weights))
            parts = places.spread(product).chunk(len(weights), -1)
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
        """Attention from utterance to utterance, mean over heads and layers.

        0 to whom nobody reads; a whole row of 0 where the other modality is nowhere present.
        """
        sources = self.sources(context, present)
        shares: Shares = {}
        for modality, vectors in context.items():
            places, layers = PresentPositions(present[modality]), self.layers_of(modality)
            queries = places.take(vectors)
            for layer, read in zip(layers, sources[modality], strict=True):
                for other, share in layer.shares(queries, read, places).items():
                    key = (modality, other)
                    shares[key] = shares.get(key, 0.0) + share / len(layers)
                queries = layer(queries, read, places)
        return shares

    def layers_of(self, modality: Modality) -> Sequence[MultiAttentionLayer]:
        """The layers that a modality is led through, in their order."""
        return cast(Sequence[MultiAttentionLayer], self.layers[modality])


class MultiAttentionLayer(nn.Module):
    """One layer of one modality (Eqs. 2-12), with dropout behind each step as in Vaswani et al.

    [decided] What is added to the queries starts out small, (8 T)^-1/4 of torch's usual weights,
    as in DeepNet (Wang et al. 2022): six layers with their norms behind them train unsteadily else.
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
        self, queries: Tensor, sources: AttentionInputs, places: PresentPositions
    ) -> Tensor:
        """Shape: queries [P, W], at ``places`` -> [P, W]."""
        for other in self.others:
            if other in sources:
                queries = self.read(queries, other, sources[other], places)
        changed: Tensor = self.norm(queries + self.dropout(self.feed_forward(queries)))
        return changed

    def read(
        self, queries: Tensor, other: Modality, source: AttentionInput, places: PresentPositions
    ) -> Tensor:
        """Eqs. 2-5 or 6-9; a conversation without anything to read keeps its queries."""
        attended = self.reader(other)(queries, source, places)
        joined: Tensor = self.attention_norm[other](queries + self.dropout(attended))
        if source.silent is None:
            return joined
        return torch.where(places.take(source.silent), queries, joined)

    def shares(
        self, queries: Tensor, sources: AttentionInputs, places: PresentPositions
    ) -> dict[Modality, Tensor]:
        """What each step of this layer attends to. Shape: queries [P, W] -> {m: [B, N, N]}."""
        shares: dict[Modality, Tensor] = {}
        for other in self.others:
            if other in sources:
                shares[other] = self.reader(other).shares(queries, sources[other], places)
                queries = self.read(queries, other, sources[other], places)
        return shares

    def reader(self, other: Modality) -> CrossAttention:
        """The attention to one of the others."""
        return cast(CrossAttention, self.attention[other])


class CrossAttention(nn.Module):
    """Eqs. 2-4: one modality's utterances ask, another's answer; projections without biases.

    (Eq. 2 prints the values of a third modality, a misprint: keys and values are one modality's.)
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, queries: Tensor, source: AttentionInput, places: PresentPositions) -> Tensor:
        """Shape: queries [P, W] -> [P, W]; means nothing where nobody may be read."""
        query = self.split(places.spread(self.query(queries)))
        mixed = functional.scaled_dot_product_attention(
            query, source.key, source.value, attn_mask=source.readable
        )
        attended: Tensor = self.output(places.take(mixed.transpose(1, 2).flatten(2)))
        return attended

    def shares(self, queries: Tensor, source: AttentionInput, places: PresentPositions) -> Tensor:
        """Attention weights, mean over the heads. Shape: queries [P, W] -> [B, N, N]."""
        query = self.split(places.spread(self.query(queries)))
        scores = query @ source.key.mT / query.shape[-1] ** 0.5
        seen = scores.float().masked_fill(~source.readable, -torch.inf)
        shares: Tensor = seen.softmax(-1).mean(1)
        return shares if source.silent is None else shares.masked_fill(source.silent, 0.0)

    def split(self, vectors: Tensor) -> Tensor:
        """Shape: [B, N, W] -> [B, heads, N, W / heads]."""
        heads = vectors.view(*vectors.shape[:2], self.heads, -1)
        return heads.transpose(1, 2)
