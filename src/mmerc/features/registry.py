"""Extractors by name, made where they work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmerc.errors import UsageError
from mmerc.features.base import Extractor
from mmerc.media.faces.speaking import Choice

ExtractorName = Literal["is10", "compare", "denseface", "visextnet"]
COLOUR_SIZE = 224  # of the faces that VisExtNet looks at


@dataclass(frozen=True, slots=True)
class NamedExtractor:
    """Makes the extractor of this name; ``weights`` are the user's own for a face network."""

    name: str
    face: Choice = "speaking"
    weights: Path | None = None

    def __call__(self) -> Extractor:
        if self.name in {"is10", "compare"}:
            from mmerc.features.opensmile import OpenSmile

            return OpenSmile("is10" if self.name == "is10" else "compare")
        from mmerc.features.speaker_faces import SpeakerFaces

        if self.name == "denseface":
            from mmerc.features.denseface.extractor import DenseFace

            return DenseFace(SpeakerFaces(choice=self.face), weights=self.weights)
        if self.name == "visextnet":
            from mmerc.features.visextnet import VisExtNet

            faces = SpeakerFaces(choice=self.face, size=COLOUR_SIZE, grey=False)
            return VisExtNet(faces, weights=self.weights)
        known = "is10, compare, denseface, visextnet"
        raise UsageError(f"No extractor is called {self.name!r}; known: {known}.")
