"""The vectors that a model starts from: standardised features, and text from its own encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mmerc.conversation import MODALITIES, Modality
from mmerc.data.batch import ConversationBatch, TextWindows
from mmerc.nn.speech_encoder import SpeechEncoder
from mmerc.nn.text_encoder import TextEncoder

WindowEncoder = Callable[[TextWindows, TextEncoder, torch.Size], Tensor]


class ModalityInputs(nn.Module):
    """One vector an utterance and modality.

    [decided] Each dimension of a ready-made vector is standardised with statistics of the training
    split, which are buffers of the model, so that a prediction needs no corpus.
    """

    def __init__(
        self,
        widths: Mapping[Modality, int],
        text_encoder: TextEncoder | None,
        speech_encoder: SpeechEncoder | None = None,
    ) -> None:
        super().__init__()
        vectors = dict(widths)
        if text_encoder is not None:
            vectors.pop("text", None)
        if speech_encoder is not None:
            vectors.pop("audio", None)
        self.widths = vectors
        self.text_encoder = text_encoder
        self.speech_encoder = speech_encoder
        for modality, width in self.widths.items():
            self.register_buffer(f"mean_{modality}", torch.zeros(width))
            self.register_buffer(f"deviation_{modality}", torch.ones(width))

    @property
    def output_widths(self) -> dict[Modality, int]:
        """Width of each modality, in the order text, audio, video."""
        widths = dict(self.widths)
        if self.text_encoder is not None:
            widths["text"] = self.text_encoder.width
        if self.speech_encoder is not None:
            widths["audio"] = self.speech_encoder.width
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
        return {m: zero_absent(vector, present[m]) for m, vector in vectors.items()}, present

    @staticmethod
    def text(batch: ConversationBatch, encoder: TextEncoder) -> Tensor:
        """Text vectors, read now or before. Shape: -> [B, N, width]."""
        if batch.windows is None and "text" in batch.features:
            return batch.features["text"]
        return encode_batch_text(batch, encoder)

    def standardised(self, features: Tensor, modality: Modality) -> Tensor:
        mean, deviation = self.statistics(modality)
        return (features - mean) / deviation

    def statistics(self, modality: Modality) -> tuple[Tensor, Tensor]:
        """Mean and deviation over the training split. Shape: -> [D_m], [D_m]."""
        return getattr(self, f"mean_{modality}"), getattr(self, f"deviation_{modality}")


def zero_absent(vectors: Tensor, present: Tensor) -> Tensor:
    """Vectors with zeros where absent. Shape: [..., D], [...] bool -> [..., D].

    Filled, not multiplied: whatever stands in place of an absent vector may not be finite.
    """
    return vectors.masked_fill(~present.unsqueeze(-1), 0.0)


def encode_batch_text(batch: ConversationBatch, encoder: TextEncoder) -> Tensor:
    """Text vectors of a batch by an encoder (DF-ERC, Eq. 1). Shape: -> [B, N, width]."""
    if batch.windows is None:
        raise ValueError("the model reads tokens, but the batch has none")
    return encode_windows(batch.windows, encoder, batch.mask.shape)


def encode_windows(windows: TextWindows, encoder: TextEncoder, shape: torch.Size) -> Tensor:
    """Vectors of the utterances that some windows hold, zeros for others. Shape: -> [*shape, D]."""
    pooled = encoder(
        windows.token_ids, windows.attention_mask, windows.pool_into, utterances=shape.numel()
    )
    text: Tensor = pooled.unflatten(0, shape)
    return text
