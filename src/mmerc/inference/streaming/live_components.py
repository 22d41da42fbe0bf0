"""The networks of live analysis, loaded once per process and shared by its sessions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmerc.features.base import Extractor
from mmerc.inference.pipeline.components import Components, load_components
from mmerc.media.faces.speaking import Choice
from mmerc.media.transcription import EMBEDDED_MODEL, Transcriber
from mmerc.media.voice_network import load_speech_network

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True, kw_only=True)
class LiveComponents:
    """A model, the extractors of its vectors, and what finds speech, words and speakers.

    Sessions of several threads may share them; each session is used by one thread at a time.
    """

    model: Components
    whisper: str = EMBEDDED_MODEL
    language: str | None = None

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
        """Load a model (None: mmerc-mini-live) with its extractors, all of it now.

        Parameters and errors as for ``mmerc.Pipeline.from_pretrained``.
        """
        model = load_components(source, commercial_only=commercial_only, face=face, live=True)
        components = cls(model=model, whisper=whisper, language=language)
        _ = components.transcriber, components.speech_network, components.voice, components.faces
        return components

    @cached_property
    def transcriber(self) -> Transcriber:
        return Transcriber(self.whisper, language=self.language)

    @cached_property
    def speech_network(self) -> InferenceSession:
        return load_speech_network()

    @cached_property
    def voice(self) -> Extractor | None:
        """The extractor of voice vectors; None if the model takes none."""
        extractor = self.model.extractors.get("audio")
        return None if extractor is None else extractor()

    @cached_property
    def faces(self) -> Extractor | None:
        """The extractor of face vectors; None if the model takes none."""
        extractor = self.model.extractors.get("video")
        return None if extractor is None else extractor()
