"""A model and the extractors of its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmerc.conversation import Modality
from mmerc.corpora.composed import ComposedReader
from mmerc.errors import MmercError, UsageError
from mmerc.features.combined import JOINT
from mmerc.features.registry import NamedExtractor
from mmerc.licences import find_component
from mmerc.media.faces.speaking import Choice
from mmerc.models.base import AnyModel
from mmerc.models.embedded_models import COMMENTS_MODEL, TEXT_MODEL, choose_model
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model
from mmerc.models.training_data import TrainedOn
from mmerc.threads import one_thread

_LICENSED_AS: Mapping[str, str] = {
    "is10": "opensmile",
    "compare": "opensmile",
    "egemaps": "opensmile",
    "whisper": "whisper-tiny.en",
    "whisper-base": "whisper-base",
    "denseface": "denseface",
    "denseface-2": "denseface",
    "denseface-2-plain": "denseface",
    "denseface-3": "denseface",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """A model with its extractors; ``missing``: why a modality has no extractor."""

    model: AnyModel
    name: str
    extractors: Mapping[Modality, NamedExtractor]
    missing: Mapping[Modality, str]


def load_components(
    source: str | Path | None, *, commercial_only: bool, face: Choice, live: bool = False
) -> Components:
    """Load a model by name or folder (None: the default model) with its extractors.

    UsageError for a model that ``commercial_only`` forbids; MmercError or InputError if the model
    cannot be loaded, or if none of its modalities can be provided.
    """
    name = choose_model(source, commercial_only=commercial_only, live=live)
    folder = locate_model(name)
    trained_on = TrainedOn.read(folder)
    if commercial_only and trained_on.corpus in ComposedReader.corpora:  # RAVDESS and FER2013
        raise UsageError(
            f"{name} may not be used commercially: it was trained on {trained_on.corpus} "
            f"(see `mmerc licences`); omit --model to use {TEXT_MODEL}, or name {COMMENTS_MODEL}."
        )
    model, extractor_names = load_model(folder), trained_on.extractors
    if model.text_encoder is not None:
        with one_thread():
            model.text_encoder.merge_adapters()
    display_name = Path(name).name or folder.resolve().name
    extractors: dict[Modality, NamedExtractor] = {}
    missing: dict[Modality, str] = {}
    for modality in model.inputs.widths:
        extractor = str(extractor_names.get(modality))
        problem = _find_obstacle(extractor, model=display_name, commercial_only=commercial_only)
        if problem is None:
            extractors[modality] = NamedExtractor(extractor, face=face)
        else:
            missing[modality] = problem
    if missing and missing.keys() == model.inputs.output_widths.keys():
        reasons = " ".join(missing.values())
        raise MmercError(f"No modality that {name} uses is available: {reasons}")
    return Components(model=model, name=display_name, extractors=extractors, missing=missing)


def _find_obstacle(extractor: str, *, model: str, commercial_only: bool) -> str | None:
    """Return why an extractor required by ``model`` cannot be used; None if it can."""
    parts = extractor.split(JOINT)
    if not _LICENSED_AS.keys() >= set(parts):
        return f"{model} needs features that mmerc cannot extract ({extractor})."
    licensed = [_LICENSED_AS[part] for part in parts]
    forbidden = [item for item in licensed if not find_component(item).commercial]
    if commercial_only and forbidden:
        return f"{forbidden[0]} may not be used commercially."
    return None
