"""Which model, and what makes the vectors that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmerc.conversation import Modality
from mmerc.errors import MmercError, UsageError
from mmerc.features.registry import NamedExtractor
from mmerc.licences import find_component
from mmerc.media.faces.speaking import Choice
from mmerc.models.base import AnyModel
from mmerc.models.embedded_models import DEFAULT_MODEL, LIVE_MODEL, TEXT_MODEL, find_embedded_model
from mmerc.models.registry import load_model, locate_model
from mmerc.models.training_data import TrainedOn

NOT_COMMERCIAL = (DEFAULT_MODEL, LIVE_MODEL)  # trained on RAVDESS and FER2013
LICENSED_AS: Mapping[str, str] = {
    "is10": "opensmile",
    "compare": "opensmile",
    "denseface": "denseface",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A model with the extractors of its vectors; ``missing``: modalities that nothing makes."""

    model: AnyModel
    name: str
    extractors: Mapping[Modality, NamedExtractor]
    missing: Mapping[Modality, str]


def load_parts(
    source: str | Path | None, *, commercial_only: bool, face: Choice, live: bool = False
) -> Parts:
    """The model of this name or folder (None: the default), and its extractors."""
    default = LIVE_MODEL if live else DEFAULT_MODEL
    name = str(source or (TEXT_MODEL if commercial_only else default))
    if commercial_only and is_refused(name):
        raise UsageError(
            f"{name} may not be used commercially (`mmerc licences` says why); "
            f"leave --model out, and {TEXT_MODEL} is taken."
        )
    folder = locate_model(name)
    model, known = load_model(folder), TrainedOn.read(folder).extractors
    if model.text_encoder is not None:
        model.text_encoder.merge_adapters()
    extractors: dict[Modality, NamedExtractor] = {}
    missing: dict[Modality, str] = {}
    for modality in model.inputs.widths:
        extractor = known.get(modality)
        if extractor is None or extractor not in LICENSED_AS:
            missing[modality] = f"{name} takes vectors that mmerc cannot make ({extractor})."
        elif commercial_only and not find_component(LICENSED_AS[extractor]).commercial:
            missing[modality] = f"{LICENSED_AS[extractor]} may not be used commercially."
        else:
            extractors[modality] = NamedExtractor(extractor, face=face)
    if missing and missing.keys() == model.inputs.output_widths.keys():
        reasons = " ".join(missing.values())
        raise MmercError(f"Nothing is left that {name} could go by: {reasons}")
    shown = Path(name).name or folder.resolve().name
    return Parts(model=model, name=shown, extractors=extractors, missing=missing)


def is_refused(name: str) -> bool:
    """Whether it is, by name or by its folder, a model of ours with data that forbids commerce."""
    folders = {find_embedded_model(refused) for refused in NOT_COMMERCIAL}
    return name in NOT_COMMERCIAL or Path(name).resolve() in folders
