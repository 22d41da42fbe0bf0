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

OUTPUTS = ("logits", "probabilities")


class Graph(nn.Module):
    """A model's answers to tensors in the order of ``names``.

    ``exportable``: a copy of the model, in which nothing stands that ONNX cannot hold.
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
        """Shape: vectors [B, N, D_m] and presence [B, N] bool a modality, mask [B, N] bool,
        speakers [B, N] int -> logits and probabilities [B, N, K].
        """
        given = dict(zip(self.names, tensors, strict=True))
        speakers = given["speakers"]
        batch = ConversationBatch(
            features={m: given[m] for m in self.modalities},
            present={m: given[f"{m}_present"] for m in self.modalities},
            mask=given["mask"],
            speakers=speakers,
            labels=torch.full_like(speakers, UNKNOWN_LABEL),
            indices=torch.zeros_like(speakers[:, 0]),
        )
        logits = self.model(batch).logits
        return logits, (logits / self.model.temperature).softmax(-1)


def trial(graph: Graph, lengths: tuple[int, ...], *, seed: int) -> tuple[Tensor, ...]:
    """Random inputs: padding behind the shorter conversations, and NaN wherever nothing is.

    Vectors have the mean and deviation of the training split. Others would come out of the
    standardisation far from anything real, where float32 itself is off by more than a fault of the
    file. [decided] Where an encoder makes the vectors, mean 0 and deviation 1.

    The first conversation lacks the first modality altogether, the second the second and so on;
    besides, single utterances lack single modalities.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    widths = graph.model.inputs.output_widths
    found: list[Tensor] = []
    for position, modality in enumerate(graph.modalities):
        present = mask & (torch.rand(shape, generator=generator) < 0.7)
        present[position : position + 1] = False
        vectors = torch.randn(*shape, widths[modality], generator=generator)
        if modality in graph.model.inputs.widths:
            mean, deviation = graph.model.inputs.statistics(modality)
            vectors = vectors * deviation + mean
        found += [vectors.masked_fill(~present.unsqueeze(-1), torch.nan), present]
    return (*found, mask, torch.randint(3, shape, generator=generator))
