"""The networks for live analysis, loaded once per process and shared by its sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from mmerc.conversation import Modality
from mmerc.features.base import Absent, Extractor
from mmerc.features.combined import CombinedExtractor
from mmerc.features.denseface.extractor import DenseFace
from mmerc.features.sound_samples import VoiceExtractor
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.features.store import Vector
from mmerc.inference.pipeline.components import Components, load_components
from mmerc.media.faces.speaking import Choice
from mmerc.media.resampling import Samples
from mmerc.media.speakers.diarization import analyse_chunk
from mmerc.media.speakers.segmentation import CHUNK_SAMPLES
from mmerc.media.transcription import EMBEDDED_MODEL, Transcriber
from mmerc.media.voice_network import load_speech_network

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True, kw_only=True)
class LiveComponents:
    """A model with its extractors and the networks that find speech, words and speakers.

    Sessions in several threads may share them; each session is used by one thread at a time.
    """

    model: Components
    whisper: str = EMBEDDED_MODEL
    language: str | None = None
    lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        commercial_only: bool = False,
        face: Choice = "speaking",
        whisper: str = EMBEDDED_MODEL,
        language: str | None = None,
    ) -> LiveComponents:
        """Load a model (None: mmerc-mini-live) and all other networks eagerly.

        Parameters and errors as for ``mmerc.Pipeline.from_pretrained``.
        """
        model = load_components(source, commercial_only=commercial_only, face=face, live=True)
        components = cls(model=model, whisper=whisper, language=language)
        _ = components.transcriber, components.speech_network, components.voice
        if components.face_source is not None:
            _ = components.face_source.detector
        analyse_chunk(0.0, np.zeros(CHUNK_SAMPLES, np.float32))  # loads its network
        return components

    @cached_property
    def transcriber(self) -> Transcriber:
        return Transcriber(self.whisper, language=self.language)

    @cached_property
    def speech_network(self) -> InferenceSession:
        return load_speech_network()

    @cached_property
    def voice(self) -> Extractor | None:
        """The extractor of voice vectors; None if the model uses none."""
        return self._extractor("audio")

    @cached_property
    def faces(self) -> DenseFace | None:
        """The extractor of face vectors; None if the model cannot use live pictures."""
        extractor = self._extractor("video")
        return extractor if isinstance(extractor, DenseFace) else None

    @property
    def face_source(self) -> SpeakerFaces | None:
        """The face detection; None if the model uses no faces."""
        source = None if self.faces is None else self.faces.faces
        return source if isinstance(source, SpeakerFaces) else None

    @cached_property
    def helpers(self) -> ThreadPoolExecutor:
        """Threads that compute voice and face vectors during transcription."""
        return ThreadPoolExecutor(max_workers=2, thread_name_prefix="mmerc-live")

    def _extractor(self, modality: Modality) -> Extractor | None:
        extractor = self.model.extractors.get(modality)
        return None if extractor is None else extractor()


def extract_voice(extractor: Extractor, samples: Samples) -> Vector | Absent:
    """Extract a voice vector. Shape: float32 [samples], mono, 16 kHz -> [spec.dim]."""
    if isinstance(extractor, VoiceExtractor):
        return extractor.extract_samples(samples)
    if not isinstance(extractor, CombinedExtractor):
        return Absent(f"{extractor.spec.extractor} cannot follow live sound")
    vectors = []
    for part in extractor.parts:
        vector = extract_voice(part, samples)
        if isinstance(vector, Absent):
            return vector
        vectors.append(vector)
    return np.concatenate(vectors)
