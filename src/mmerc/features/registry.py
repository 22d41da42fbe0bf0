"""Extractors by name, including those of plug-ins."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmerc.conversation import Modality
from mmerc.errors import MmercError, UsageError
from mmerc.features.base import Extractor
from mmerc.features.combined import JOINT, CombinedExtractor
from mmerc.features.store import FeatureSpec
from mmerc.media.faces.speaking import Choice
from mmerc.plugins import Plugin, find_plugins

if TYPE_CHECKING:
    from mmerc.features.denseface.extractor import DenseFace, FaceSource

ExtractorName = Literal[
    "is10", "compare", "egemaps", "whisper", "whisper-base",
    "denseface", "denseface-2", "denseface-2-plain", "denseface-3", "visextnet",
]  # fmt: skip
_EXTRACTORS: dict[str, tuple[Modality, str]] = {
    "is10": ("audio", "openSMILE's 1582 functionals of INTERSPEECH 2010"),
    "compare": ("audio", "openSMILE's 6373 functionals of ComParE 2016"),
    "egemaps": ("audio", "openSMILE's 88 functionals of eGeMAPS v02"),
    "whisper": ("audio", "mean states of Whisper tiny's four layers, 1536 numbers"),
    "whisper-base": ("audio", "mean states of Whisper base's six layers, 3072 numbers"),
    "denseface": ("video", "faces by a DenseNet trained on facial expressions, 342 numbers"),
    "denseface-2": ("video", "the same, trained for films; sharp and frontal faces count more"),
    "denseface-2-plain": ("video", "denseface-2 with a plain mean over the faces"),
    "denseface-3": ("video", "denseface-2, trained for longer"),
    "visextnet": ("video", "faces by a ResNet-101 of your own, 1000 numbers"),
}
"""mmerc's own extractors: name -> modality and one sentence."""
ExtractorBuilder = Callable[[], Extractor]
"""A picklable factory of an extractor, such as ``NamedExtractor``."""
_COLOUR_SIZE = 224  # pixels: the side of VisExtNet's face crops


@dataclass(frozen=True, slots=True)
class NamedExtractor:
    """A picklable factory of the extractor with this name.

    Names joined by "+" are one extractor with concatenated vectors. ``face`` (choice of the face)
    and ``weights`` (user's own) apply to face networks; plug-ins ignore them. ``tracks`` extracts
    the vectors of everybody on screen (``FaceTracks``), if ``follows_faces``.
    """

    name: str
    face: Choice = "speaking"
    weights: Path | None = None
    tracks: bool = False

    @property
    def follows_faces(self) -> bool:
        """Whether this extractor chooses the speaker's face and can also extract all faces."""
        return self.face == "speaking" and all(map(_is_denseface, self.name.split(JOINT)))

    def __call__(self) -> Extractor:
        """Build it; UsageError for an unknown name, MmercError if a part is missing."""
        if self.tracks and self.follows_faces:
            return self._face_tracks()
        if JOINT in self.name:
            parts = [replace(self, name=part)() for part in self.name.split(JOINT)]
            return CombinedExtractor(parts)
        if self.name not in _EXTRACTORS:
            return _plugin_extractor(self.name)
        if _EXTRACTORS[self.name][0] == "audio":
            return _voice_extractor(self.name)
        from mmerc.features.speaker_faces import SpeakerFaces

        if _is_denseface(self.name):
            return self._denseface(self.name, SpeakerFaces(choice=self.face))
        from mmerc.features.visextnet import VisExtNet

        faces = SpeakerFaces(choice=self.face, size=_COLOUR_SIZE, grey=False)
        return VisExtNet(faces, weights=self.weights)

    def _denseface(self, name: str, faces: FaceSource) -> DenseFace:
        from mmerc.features.denseface.extractor import DenseFace

        return DenseFace(faces, weights=self.weights, version=name)

    def _face_tracks(self) -> Extractor:
        """Build the extractor for everybody on screen."""
        from mmerc.features.face_tracks import FaceTracks
        from mmerc.features.speaker_faces import SpeakerFaces

        faces = SpeakerFaces(choice=self.face)
        return FaceTracks([self._denseface(name, faces) for name in self.name.split(JOINT)], faces)


def _is_denseface(name: str) -> bool:
    return name in _EXTRACTORS and name.startswith("denseface")


def _voice_extractor(name: str) -> Extractor:
    """Build one of mmerc's extractors of voice vectors."""
    if name.startswith("whisper"):
        from mmerc.features.whisper_means import WhisperMeans

        return WhisperMeans(name)
    from mmerc.features.opensmile import OpenSmile

    return OpenSmile(name)


def _extractor_names() -> list[str]:
    """List the names of all extractors, plug-ins last."""
    return [*_EXTRACTORS, *find_plugins("mmerc.extractors", reserved=_EXTRACTORS)]


def list_extractors() -> dict[str, tuple[str, str]]:
    """Describe every extractor: name -> summary (or error of a broken plug-in) and package.

    A plug-in's summary is the first sentence of its docstring.
    """
    extractors = {name: (summary, "mmerc") for name, (_, summary) in _EXTRACTORS.items()}
    for name, plugin in find_plugins("mmerc.extractors", reserved=_EXTRACTORS).items():
        try:
            text = " ".join((inspect.getdoc(plugin.load()) or "").split())
            extractors[name] = text.partition(". ")[0].rstrip("."), plugin.package
        except MmercError as error:
            extractors[name] = str(error), plugin.package
    return extractors


def _plugin_extractor(name: str) -> Extractor:
    """Build a plug-in's extractor by name.

    UsageError if there is none; MmercError if it fails or is not an extractor.
    """
    plugins = find_plugins("mmerc.extractors", reserved=_EXTRACTORS)
    if name not in plugins:
        known = ", ".join(_extractor_names())
        raise UsageError(f"No extractor is called {name!r}; choose from {known}.")
    return _build_extractor(plugins[name])


def _build_extractor(plugin: Plugin) -> Extractor:
    """Call the entry point without arguments, and check the result."""
    factory = plugin.load()
    if callable(factory):
        extractor: Extractor = factory()
        if isinstance(getattr(extractor, "spec", None), FeatureSpec):
            return extractor
    raise MmercError(
        f"The extractor {plugin.name!r} of the package {plugin.package} is not a class or function "
        f"that returns an extractor; update or uninstall {plugin.package}."
    )


def named_extractors(
    *,
    audio: str | None = None,
    video: str | None = None,
    face: Choice = "speaking",
    weights: Path | None = None,
) -> list[NamedExtractor]:
    """Select extractors; UsageError for none, an unknown one, or the wrong modality."""
    names = {"audio": audio, "video": video}
    chosen = {modality: name for modality, name in names.items() if name is not None}
    if not chosen:
        raise UsageError("Nothing to extract: name an audio or a video extractor, or both.")
    for modality, name in chosen.items():
        actual = _extractor_modality(name)
        if actual != modality:
            problem = f"The extractor {name!r} makes {actual} vectors, not {modality} vectors"
            raise UsageError(f"{problem}; choose another one.")
    return [NamedExtractor(name, face=face, weights=weights) for name in chosen.values()]


def _extractor_modality(name: str) -> Modality:
    """Return the modality of an extractor; for a plug-in, from its specification.

    UsageError for an unknown extractor, mixed modalities, or a repeated part.
    """
    parts = name.split(JOINT)
    if len(set(parts)) < len(parts):
        raise UsageError(f"The extractor {name!r} names a part twice; name each one once.")
    modalities = {
        _EXTRACTORS[part][0] if part in _EXTRACTORS else _plugin_extractor(part).spec.modality
        for part in parts
    }
    if len(modalities) > 1:
        raise UsageError(f"The extractor {name!r} combines modalities; name parts of one modality.")
    return modalities.pop()
