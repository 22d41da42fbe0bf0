"""A model as a function of tensors alone, which is what an ONNX file holds."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.inference.onnx.recurrent import replace_recurrent
from mmerc.labels import UNKNOWN_LABEL
from mmerc.models.base import AnyModel


class Graph(nn.Module):
    """Vectors and what is there of them -> logits and probabilities.

    ``exportable`` takes a copy of the model whose recurrent parts are ONNX's own.
    """

    def __init__(self, model: AnyModel, *, exportable: bool) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.model.inputs.text_encoder = self.model.inputs.text_encoder
        if exportable:
            replace_recurrent(self.model)
        self.modalities: tuple[Modality, ...] = tuple(model.inputs.output_widths)

    def forward(
        self,
        features: dict[str, Tensor],
        present: dict[str, Tensor],
        mask: Tensor,
        speakers: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Shape: features[m] [B, N, D_m], present[m] and mask [B, N] bool, speakers [B, N] int
        -> logits and probabilities [B, N, K].
        """
        batch = ConversationBatch(
            features={m: features[m] for m in self.modalities},
            present={m: present[m] for m in self.modalities},
            mask=mask,
            speakers=speakers,
            labels=torch.full_like(speakers, UNKNOWN_LABEL),
            indices=torch.zeros_like(speakers[:, 0]),
        )
        logits = self.model(batch).logits
        return logits, (logits / self.model.temperature).softmax(-1)
