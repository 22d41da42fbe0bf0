"""Accuracy of a face network."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from mmerc.features.denseface.equalisation import equalise
from mmerc.features.denseface.network import DenseNet, normalise
from mmerc.training.face_network.images import EMOTIONS, LabelledFaces

_BATCH = 256


class FaceScores(BaseModel):
    """Accuracy in percent, overall and per emotion (None for an emotion without faces)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: float
    per_class: dict[str, float | None]


@torch.inference_mode()
def score_faces(
    network: DenseNet, faces: LabelledFaces, *, equalised: bool = False, bfloat16: bool
) -> FaceScores:
    """Score a network in evaluation mode, averaging each face and its mirror image.

    ``equalised``: whether the network expects faces with equalised histograms.
    """
    device = next(network.parameters()).device
    right = []
    parts = (torch.split(tensor, _BATCH) for tensor in (faces.images, faces.labels))
    for images, labels in zip(*parts, strict=True):
        inputs = equalise(images.to(device)) if equalised else images.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            predicted = probabilities(network, inputs).argmax(dim=1)
        right.append(predicted.cpu() == labels.cpu())
    return _count_scores(torch.cat(right), faces.labels.cpu())


def probabilities(network: DenseNet, images: Tensor) -> Tensor:
    """Average over a face and its mirror image. Shape: [B, 1, 48, 48], 0 to 255 -> [B, 7]."""
    inputs = normalise(images).contiguous(memory_format=torch.channels_last)
    both = [network(view).logits.softmax(dim=1) for view in (inputs, inputs.flip(3))]
    return torch.stack(both).mean(dim=0)


def _count_scores(right: Tensor, labels: Tensor) -> FaceScores:
    """Compute accuracy, overall and per emotion.

    Shape: right [N] bool, labels [N].
    """
    per_class = {}
    for index, name in enumerate(EMOTIONS):
        correct = right[labels == index]
        per_class[name] = round(100 * float(correct.float().mean()), 2) if len(correct) else None
    return FaceScores(accuracy=round(100 * float(right.float().mean()), 4), per_class=per_class)
