"""VisExtNet: face vectors of a ResNet-101 trained on VGGFace2 (MultiEMO, Sec. 3.2).

The weights may not be redistributed; users must provide a checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from mmerc.errors import InputError, MmercError
from mmerc.features.base import Absent
from mmerc.features.denseface.extractor import Faces, FaceSource, evenly, source_settings
from mmerc.features.store import FeatureSpec, Vector
from mmerc.files import file_fingerprint
from mmerc.media.segment import Segment

_FACES, _BATCH, _SIDE = 20, 8, 224
_VGGFACE2_MEAN = (
    131.0912,
    103.8827,
    91.4953,
)  # red, green, blue (Cao et al. 2018, released models)
_CLASSIFIER = "classifier.1.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Architecture:
    """Sizes of a bottleneck residual network (He et al. 2016); default: ResNet-101."""

    depths: tuple[int, ...] = (3, 4, 23, 3)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    stem: int = 64


class VisExtNet:
    """Mean output of the network's last layer over the faces of each frame, then over frames.

    As in the paper, all faces of 20 frames are used if ``faces`` chooses "all". [decided] Faces of
    a frame are averaged, because concatenation has no fixed width. Of pictures, up to 20 evenly
    spaced ones are used. The paper's checkpoint has 1000 outputs; ``spec.dim`` depends on the file.
    ``weights`` is safetensors or a ``.pth`` state dictionary, with the tensor names of transformers
    or torchvision. ``faces`` provides colour crops. Pixels (0 to 255) are standardised with
    ``mean`` and ``deviation``, as in the checkpoint's training.

    MmercError without weights, InputError if they do not fit this network.
    """

    def __init__(
        self,
        faces: FaceSource,
        *,
        weights: Path | None,
        architecture: _Architecture = _Architecture(),
        mean: tuple[float, float, float] = _VGGFACE2_MEAN,
        deviation: tuple[float, float, float] = (1.0, 1.0, 1.0),
        device: str = "cpu",
    ) -> None:
        if weights is None:
            raise MmercError(
                "VisExtNet needs a ResNet-101 checkpoint trained on VGGFace2, which mmerc cannot "
                "ship; name a safetensors file or a .pth state dictionary that you have."
            )
        self.faces = faces
        self.device = torch.device(device)
        self.mean, self.deviation = torch.tensor(mean), torch.tensor(deviation)
        self.network = _load_resnet(weights, architecture).to(self.device)
        self.spec = FeatureSpec(
            modality="video",
            extractor="visextnet",
            dim=self.network.config.num_labels,
            settings={
                "weights": file_fingerprint(weights),
                "faces": _FACES,
                "mean": str(mean),
                "deviation": str(deviation),
                **_averaging(source_settings(faces)),
            },
        )

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [1000]."""
        views = self.faces.views(segment)
        if isinstance(views, Absent):
            return views
        chosen = np.isin(views.frames, evenly(np.unique(views.frames), _FACES))
        vectors, frames = self.vectors_of(views.crops[chosen]), views.frames[chosen]
        by_frame = [vectors[frames == frame].mean(axis=0) for frame in np.unique(frames)]
        vector: Vector = np.mean(by_frame, axis=0, dtype=np.float32)
        return vector if np.isfinite(vector).all() else Absent("outputs that are not numbers")

    @torch.inference_mode()
    def vectors_of(self, crops: Faces) -> Vector:
        """Shape: uint8 [n, H, W, 3] RGB -> float32 [n, 1000]."""
        parts = []
        for batch in torch.split(torch.from_numpy(crops), _BATCH):
            images = ((batch.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)
            images = torch.nn.functional.interpolate(
                images, size=(_SIDE, _SIDE), mode="bilinear", antialias=True
            )
            parts.append(self.network(images.to(self.device)).logits.cpu())
        vectors: Vector = torch.cat(parts).numpy()
        return vectors


def _averaging(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Mark vectors of several faces per frame, which earlier versions averaged differently."""
    several = settings.get("source.choice") == "all"
    return {**settings, "averaging": "by frame"} if several else settings


def _load_resnet(path: Path, architecture: _Architecture) -> Any:
    """Load a residual network with the weights in ``path``; every tensor must fit."""
    from transformers import ResNetConfig, ResNetForImageClassification

    tensors = _own_names(_read_tensors(path))
    if _CLASSIFIER not in tensors:
        problem = "no last layer (fc) among its tensors"
        raise InputError(path, problem, "name a checkpoint of a complete classifier")
    network = ResNetForImageClassification(
        ResNetConfig(
            depths=list(architecture.depths),
            hidden_sizes=list(architecture.widths),
            embedding_size=architecture.stem,
            layer_type="bottleneck",
            num_labels=len(tensors[_CLASSIFIER]),
        )
    )
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        fix = "name a checkpoint of a ResNet-101"
        raise InputError(path, "its tensors are not those of a ResNet-101", fix) from error
    return network.eval()


def _read_tensors(path: Path) -> Mapping[str, Tensor]:
    """Read tensors from safetensors or a state dictionary, without running code."""
    try:
        if path.suffix == ".safetensors":
            value: Any = load_file(path)
        else:
            value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        problem = "neither safetensors nor a state dictionary of tensors alone"
        raise InputError(path, problem, "check the path, or save its state_dict again") from error
    value = value.get("state_dict", value) if isinstance(value, Mapping) else {}
    return {
        str(name).removeprefix("module."): tensor
        for name, tensor in value.items()
        if isinstance(tensor, Tensor)
    }


def _own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert torchvision's tensor names to those of transformers."""
    return {_own_name(name): tensor for name, tensor in tensors.items()}


def _own_name(name: str) -> str:
    """Convert one torchvision name; other names are unchanged.

    ``layer2.0.conv3.weight`` is ``resnet.encoder.stages.1.layers.0.layer.2.convolution.weight``.
    """
    kinds = {"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}
    part = r"(?:(conv|bn)(\d)|downsample\.([01]))"
    if match := re.fullmatch(r"fc\.(\w+)", name):
        return f"classifier.1.{match[1]}"
    if match := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"resnet.embedder.embedder.{kinds[match[1]]}.{match[2]}"
    if match := re.fullmatch(rf"layer(\d)\.(\d+)\.{part}\.(\w+)", name):
        stage, block, kind, number, shortcut, last = match.groups()
        inside = f"layer.{int(number) - 1}" if number else "shortcut"
        place = f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}"
        return f"{place}.{inside}.{kinds[kind or shortcut]}.{last}"
    return name
