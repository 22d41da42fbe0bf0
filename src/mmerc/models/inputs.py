"""Input vectors of a model: standardised features, and text from its own encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mmerc.conversation import MODALITIES, Modality
from mmerc.data.batch import ConversationBatch, TextWindows
from mmerc.nn.levelling import LevellingConfig, level_vectors
from mmerc.nn.speech_encoder import SpeechEncoder
from mmerc.nn.text_encoder import TextEncoder

_LEVELLED: frozenset[Modality] = frozenset({"audio", "video"})
WindowEncoder = Callable[[TextWindows, TextEncoder, torch.Size], Tensor]


class ModalityInputs(nn.Module):
    """Provide one vector per utterance and modality.

    [decided] Each feature dimension is standardised with statistics of the training split. They are
    buffers of the model, so prediction needs no corpus. ``levelling`` then standardises audio and
    video by recording and speaker (None: off).
    """

    def __init__(
        self,
        widths: Mapping[Modality, int],
        text_encoder: TextEncoder | None,
        speech_encoder: SpeechEncoder | None = None,
        levelling: LevellingConfig | None = None,
    ) -> None:
        super().__init__()
        self.levelling = levelling
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
        """Width of each modality's vectors, in the order text, audio, video."""
        widths = dict(self.widths)
        if self.text_encoder is not None:
            widths["text"] = self.text_encoder.width
        if self.speech_encoder is not None:
            widths["audio"] = self.speech_encoder.width
        return {modality: widths[modality] for modality in MODALITIES if modality in widths}

    def fit(self, statistics: Mapping[Modality, tuple[Tensor, Tensor]]) -> None:
        """Store mean and standard deviation of each modality."""
        for modality in self.widths:
            mean, deviation = statistics[modality]
            setattr(self, f"mean_{modality}", mean)
            setattr(self, f"deviation_{modality}", deviation)

    def forward(
        self, batch: ConversationBatch
    ) -> tuple[dict[Modality, Tensor], dict[Modality, Tensor]]:
        """Return the vectors, zero where absent, and the masks of present ones.

        A batch without tokens may already contain the encoder's vectors.

        Shape: -> {modality: [B, N, D_m]}, {modality: [B, N] bool}.
        """
        vectors: dict[Modality, Tensor] = {}
        for modality in self.output_widths:
            if modality == "text" and self.text_encoder is not None:
                vectors["text"] = self.encode_text(batch, self.text_encoder)
            else:
                vectors[modality] = self.level(batch, modality)
        present = {modality: batch.present[modality] & batch.mask for modality in vectors}
        return {m: zero_absent(vector, present[m]) for m, vector in vectors.items()}, present

    @staticmethod
    def encode_text(batch: ConversationBatch, encoder: TextEncoder) -> Tensor:
        """Encode the text, unless the batch contains its vectors. Shape: -> [B, N, width]."""
        if batch.windows is None and "text" in batch.features:
            return batch.features["text"]
        return encode_batch_text(batch, encoder)

    def level(self, batch: ConversationBatch, modality: Modality) -> Tensor:
        """Standardise the vectors of one modality, and level them. Shape: -> [B, N, D_m]."""
        scores = self.standardise(batch.features[modality], modality)
        if self.levelling is None or modality not in _LEVELLED:
            return scores
        present = batch.present[modality] & batch.mask
        return level_vectors(scores, present, batch.speakers, self.levelling, modality)

    def standardise(self, features: Tensor, modality: Modality) -> Tensor:
        mean, deviation = self.statistics(modality)
        return (features - mean).div_(deviation)

    def restore_scale(self, scores: Tensor, modality: Modality) -> Tensor:
        """Undo ``standardise``. Shape: [..., D_m] -> the same."""
        mean, deviation = self.statistics(modality)
        return scores * deviation + mean

    def statistics(self, modality: Modality) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over the training split. Shape: -> [D_m], [D_m]."""
        return getattr(self, f"mean_{modality}"), getattr(self, f"deviation_{modality}")


def zero_absent(vectors: Tensor, present: Tensor) -> Tensor:
    """Replace absent vectors by zeros. Shape: [..., D], [...] bool -> [..., D].

    Multiplication would not work: the placeholder of an absent vector may not be finite.
    """
    return vectors.masked_fill(~present.unsqueeze(-1), 0.0)


def encode_batch_text(batch: ConversationBatch, encoder: TextEncoder) -> Tensor:
    """Encode the text of a batch (DF-ERC, Eq. 1). Shape: -> [B, N, width]."""
    if batch.windows is None:
        raise ValueError("the model needs tokens, but the batch has none")
    return encode_windows(batch.windows, encoder, batch.mask.shape)


def encode_windows(windows: TextWindows, encoder: TextEncoder, shape: torch.Size) -> Tensor:
    """Encode the utterances of the windows; all others get zeros. Shape: -> [*shape, D]."""
    pooled = encoder(
        windows.token_ids, windows.attention_mask, windows.pool_into, utterances=shape.numel()
    )
    text: Tensor = pooled.unflatten(0, shape)
    return text
