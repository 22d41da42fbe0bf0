"""The vectors that a model starts from: standardised features, and text from its own encoder."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmerc.conversation import MODALITIES, Modality
from mmerc.data.batch import ConversationBatch
from mmerc.nn.text_encoder import TextEncoder


class ModalityInputs(nn.Module):
    """One vector an utterance and modality.

    [decided] Each dimension of a ready-made vector is standardised with statistics of the training
    split, which are buffers of the model, so that a prediction needs no corpus.
    """

    def __init__(self, widths: Mapping[Modality, int], text_encoder: TextEncoder | None) -> None:
        super().__init__()
        vectors = dict(widths)
        if text_encoder is not None:
            vectors.pop("text", None)
        self.widths = vectors
        self.text_encoder = text_encoder
        for modality, width in self.widths.items():
            self.register_buffer(f"mean_{modality}", torch.zeros(width))
            self.register_buffer(f"deviation_{modality}", torch.ones(width))

    @property
    def output_widths(self) -> dict[Modality, int]:
        """Width of each modality, in the order text, audio, video."""
        widths = dict(self.widths)
        if self.text_encoder is not None:
            widths["text"] = self.text_encoder.width
        return {modality: widths[modality] for modality in MODALITIES if modality in widths}

    def fit(self, statistics: Mapping[Modality, tuple[Tensor, Tensor]]) -> None:
        """Take over mean and deviation of each modality."""
        for modality in self.widths:
            mean, deviation = statistics[modality]
            setattr(self, f"mean_{modality}", mean)
            setattr(self, f"deviation_{modality}", deviation)

    def forward(
        self, batch: ConversationBatch
    ) -> tuple[dict[Modality, Tensor], dict[Modality, Tensor]]:
        """Vectors, zero where absent, and presence.

        A batch without tokens may hold what the encoder has read before as its text vectors.

        Shape: -> {modality: [B, N, D_m]}, {modality: [B, N] bool}.
        """
        vectors: dict[Modality, Tensor] = {}
        for modality in self.output_widths:
            if modality == "text" and self.text_encoder is not None:
                vectors["text"] = self.text(batch, self.text_encoder)
            else:
                vectors[modality] = self.standardised(batch.features[modality], modality)
        present = {modality: batch.present[modality] & batch.mask for modality in vectors}
        # Filled, not multiplied: whatever stands in place of an absent vector may not be finite.
        filled = {m: v.masked_fill(~present[m].unsqueeze(-1), 0.0) for m, v in vectors.items()}
        return filled, present

    @staticmethod
    def text(batch: ConversationBatch, encoder: TextEncoder) -> Tensor:
        """Text vectors, read now or before. Shape: -> [B, N, width]."""
        if batch.windows is None and "text" in batch.features:
            return batch.features["text"]
        return read_text(batch, encoder)

    def standardised(self, features: Tensor, modality: Modality) -> Tensor:
        mean: Tensor = getattr(self, f"mean_{modality}")
        deviation: Tensor = getattr(self, f"deviation_{modality}")
        return (features - mean) / deviation


def read_text(batch: ConversationBatch, encoder: TextEncoder) -> Tensor:
    """Text vectors of a batch by an encoder (DF-ERC, Eq. 1). Shape: -> [B, N, width]."""
    if batch.windows is None:
        raise ValueError("the model reads tokens, but the batch has none")
    pooled = encoder(
        batch.windows.token_ids,
        batch.windows.attention_mask,
        batch.windows.pool_into,
        utterances=batch.mask.numel(),
    )
    text: Tensor = pooled.unflatten(0, batch.mask.shape)
    return text
