"""Face vectors: the mean of an utterance's face vectors from DenseNet-BC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from mmerc.errors import InputError
from mmerc.features.base import Absent
from mmerc.features.denseface.averaging import weigh_faces
from mmerc.features.denseface.equalisation import equalise
from mmerc.features.denseface.network import SIDE, WIDTH, DenseNet, normalise
from mmerc.features.denseface.versions import VERSIONS, locate_shipped_weights
from mmerc.features.store import FeatureSpec, Vector
from mmerc.files import file_fingerprint
from mmerc.media.decode import decode_picture, resize, to_grey
from mmerc.media.faces.speaking import SPEAKING_RULE
from mmerc.media.faces.views import FaceViews
from mmerc.media.segment import Segment
from mmerc.nn.padding import split_count
from mmerc.precision import fast_bfloat16

_FACES = 20
_COUNTS = (64, 32, _FACES, 16, 8, 4, 2, 1)  # number of faces per call of the network
Faces = NDArray[np.uint8]
_Value = TypeVar("_Value", bound=np.generic)


class FaceSource(Protocol):
    """A source of face crops: a dataclass with all settings that affect the crops."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def views(self, segment: Segment) -> FaceViews | Absent:
        """Return crops with frontality: [n, 48, 48] grey, or [n, H, W, 3] RGB for VisExtNet."""
        ...


def grey_face(picture: bytes) -> Faces:
    """Decode a picture of a face; MediaError if it is damaged.

    Shape: -> uint8 [48, 48].
    """
    return to_grey(resize(decode_picture(picture), height=SIDE, width=SIDE))


class DenseFace:
    """Mean vector of up to 20 evenly chosen faces.

    ``version`` is one of ``VERSIONS``, which differ in weights, equalisation and averaging.
    ``weights`` is a file from mmerc's trainer; None: the version's own weights. Computes in
    bfloat16 if the CPU supports it; the precision is part of the fingerprint. MmercError if
    there are no weights, InputError if they are damaged.
    """

    def __init__(
        self,
        faces: FaceSource,
        *,
        weights: Path | None = None,
        version: str = "denseface",
        device: str = "cpu",
    ) -> None:
        self.version = VERSIONS[version]
        path = locate_shipped_weights(self.version) if weights is None else weights
        self.faces = faces
        self.device = torch.device(device)
        self.bfloat16 = fast_bfloat16(self.device)
        network = load_network(path).to(self.device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.spec = FeatureSpec(
            modality="video",
            extractor=version,
            dim=WIDTH,
            settings={
                "weights": file_fingerprint(path),
                "faces": _FACES,
                "precision": "bfloat16" if self.bfloat16 else "float32",
                **self.version.settings,
                **source_settings(faces),
            },
        )

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [342]."""
        views = self.faces.views(segment)
        return views if isinstance(views, Absent) else self.extract_views(views)

    def extract_views(self, views: FaceViews, vectors: Vector | None = None) -> Vector:
        """Average the faces' vectors, which are extracted unless given.

        Shape: vectors float32 [n, 342] -> float32 [342].
        """
        crops = evenly(views.crops, _FACES)
        vectors = self.vectors_of(crops) if vectors is None else evenly(vectors, _FACES)
        if self.version.average == "plain":
            mean: Vector = vectors.mean(axis=0)
            return mean
        weights = weigh_faces(crops, evenly(views.frontality, _FACES))
        weighted: Vector = (weights @ vectors).astype(np.float32)
        return weighted

    @torch.inference_mode()
    def vectors_of(self, crops: Faces) -> Vector:
        """Extract the vectors of any number of faces, a few at a time.

        Kernels compiled for a number of faces stay in memory: 10 MB and more.

        Shape: uint8 [n, 48, 48] grey -> float32 [n, 342].
        """
        parts = []
        for batch in torch.split(torch.from_numpy(crops), split_count(len(crops), _COUNTS)):
            images = batch.to(self.device)[:, None]
            images = normalise(equalise(images) if self.version.equalised else images)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
                batch_vectors = self.network(
                    images.contiguous(memory_format=torch.channels_last)
                ).vectors
            parts.append(batch_vectors.cpu())
        vectors: Vector = torch.cat(parts).numpy()
        return vectors


def source_settings(faces: FaceSource) -> Mapping[str, str]:
    """Return the settings of a face source, for the fingerprint."""
    settings = {"source": type(faces).__name__} | {
        f"source.{name}": str(value) for name, value in asdict(faces).items()
    }
    chosen = settings.get("source.choice") == "speaking"
    return {**settings, "source.rule": SPEAKING_RULE} if chosen else settings


def evenly(values: NDArray[_Value], count: int) -> NDArray[_Value]:
    """Select up to ``count`` evenly spaced values. Shape: [n, ...] -> [min(n, count), ...]."""
    if len(values) <= count:
        return values
    chosen: NDArray[_Value] = values[np.linspace(0, len(values) - 1, count).round().astype(int)]
    return chosen


def load_network(path: Path) -> DenseNet:
    """Load a DenseNet with the weights in ``path`` (float16 or float32), ready to run."""
    network = DenseNet()
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        fix = "check the path, or train the weights again"
        raise InputError(path, "not a readable safetensors file", fix) from error
    except RuntimeError as error:
        problem = "its tensors are not those of the face network"
        raise InputError(path, problem, "name a file that mmerc's face training wrote") from error
    return network.eval()
