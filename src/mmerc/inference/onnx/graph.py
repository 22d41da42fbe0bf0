"""A model as a function of tensors only, for ONNX."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.inference.onnx.recurrent import replace_recurrent
from mmerc.labels import UNKNOWN_LABEL
from mmerc.models.base import AnyModel
from mmerc.prediction.averaging import predict_sets

OUTPUTS = ("logits", "probabilities")


class Graph(nn.Module):
    """A model as a function of tensors in the order of ``names``.

    ``exportable``: use a copy of the model without modules that ONNX cannot represent.
    """

    def __init__(self, model: AnyModel, *, exportable: bool) -> None:
        super().__init__()
        self.model = model
        if exportable:
            self.model = copy.deepcopy(model).requires_grad_(False)
            replace_recurrent(self.model)
        self.eval()
        self.modalities: tuple[Modality, ...] = tuple(model.inputs.output_widths)

    @property
    def names(self) -> tuple[str, ...]:
        """``text``, ``text_present`` and so on, ``mask``, ``speakers``."""
        vectors = [name for m in self.modalities for name in (m, f"{m}_present")]
        return (*vectors, "mask", "speakers")

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Shape: vectors [B, N, D_m] and presence [B, N] bool per modality, mask [B, N] bool,
        speakers [B, N] int -> logits and probabilities [B, N, K].
        """
        inputs = dict(zip(self.names, tensors, strict=True))
        speakers = inputs["speakers"]
        batch = ConversationBatch(
            features={m: inputs[m] for m in self.modalities},
            present={m: inputs[f"{m}_present"] for m in self.modalities},
            mask=inputs["mask"],
            speakers=speakers,
            labels=torch.full_like(speakers, UNKNOWN_LABEL),
            indices=torch.zeros_like(speakers[:, 0]),
        )
        weights = self.model.weigh_modalities(batch)
        output = predict_sets(self.model, batch, weights).average(weights)
        shape = (*batch.mask.shape, len(self.model.labels))  # fixed: averaging leaves it open
        return output.logits.reshape(shape), output.probabilities.reshape(shape)


def random_inputs(graph: Graph, lengths: tuple[int, ...], *, seed: int) -> tuple[Tensor, ...]:
    """Generate random inputs, with padding after shorter conversations and NaN for absent vectors.

    Vectors have the mean and deviation of the training split. Others would be standardised to
    unrealistic values, where float32 rounding hides errors of the file. [decided] Vectors of an
    encoder have mean 0 and deviation 1.

    The first conversation lacks the first modality, the second conversation the second, and so on;
    in addition, single utterances lack single modalities.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    widths = graph.model.inputs.output_widths
    tensors: list[Tensor] = []
    for position, modality in enumerate(graph.modalities):
        present = mask & (torch.rand(shape, generator=generator) < 0.7)
        present[position : position + 1] = False
        vectors = torch.randn(*shape, widths[modality], generator=generator)
        if modality in graph.model.inputs.widths:
            mean, deviation = graph.model.inputs.statistics(modality)
            vectors = vectors * deviation + mean
        tensors += [vectors.masked_fill(~present.unsqueeze(-1), torch.nan), present]
    return (*tensors, mask, torch.randint(3, shape, generator=generator))
