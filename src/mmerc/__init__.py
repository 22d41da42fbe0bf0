"""Multimodal emotion recognition in conversation: DF-ERC, MultiEMO and DQ-Former.

The names in ``__all__`` are the public API. They are loaded on first use, so that importing mmerc
and asking the program for help stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mmerc.privacy import opt_out_of_telemetry
from mmerc.version import __version__

if TYPE_CHECKING:
    from mmerc.conversation import Conversation, Utterance
    from mmerc.corpora.manifest import read_manifest
    from mmerc.corpora.transcript import read_transcript
    from mmerc.data.feature_extraction import extract
    from mmerc.data.preparation import prepare_corpus
    from mmerc.errors import InputError, MmercError, UsageError
    from mmerc.inference.analysis import Analysis
    from mmerc.inference.file_check import check_file
    from mmerc.inference.pipeline import Pipeline
    from mmerc.inference.results import write_results
    from mmerc.inference.streaming.live_stream import live
    from mmerc.labels import LabelSet
    from mmerc.media.speaker_turns import read_rttm
    from mmerc.media.subtitles import read_subtitles
    from mmerc.models.registry import load_model
    from mmerc.prediction.text_encoding import encode_text
    from mmerc.prediction.utterance_predictions import predict
    from mmerc.studies.study_frames import Study
    from mmerc.training.evaluate import evaluate
    from mmerc.training.recipe import Recipe
    from mmerc.training.recipe_files import list_recipes, load_recipe
    from mmerc.training.train import train

opt_out_of_telemetry()

__all__ = [
    "Analysis",
    "Conversation",
    "InputError",
    "LabelSet",
    "MmercError",
    "Pipeline",
    "Recipe",
    "Study",
    "UsageError",
    "Utterance",
    "__version__",
    "check_file",
    "encode_text",
    "evaluate",
    "extract",
    "list_recipes",
    "live",
    "load_model",
    "load_recipe",
    "predict",
    "prepare_corpus",
    "read_manifest",
    "read_rttm",
    "read_subtitles",
    "read_transcript",
    "train",
    "write_results",
]

_MODULES = {
    "check_file": "mmerc.inference.file_check",
    "Analysis": "mmerc.inference.analysis",
    "Conversation": "mmerc.conversation",
    "InputError": "mmerc.errors",
    "LabelSet": "mmerc.labels",
    "MmercError": "mmerc.errors",
    "Pipeline": "mmerc.inference.pipeline",
    "Recipe": "mmerc.training.recipe",
    "Study": "mmerc.studies.study_frames",
    "UsageError": "mmerc.errors",
    "Utterance": "mmerc.conversation",
    "encode_text": "mmerc.prediction.text_encoding",
    "evaluate": "mmerc.training.evaluate",
    "extract": "mmerc.data.feature_extraction",
    "list_recipes": "mmerc.training.recipe_files",
    "live": "mmerc.inference.streaming.live_stream",
    "load_model": "mmerc.models.registry",
    "load_recipe": "mmerc.training.recipe_files",
    "predict": "mmerc.prediction.utterance_predictions",
    "prepare_corpus": "mmerc.data.preparation",
    "read_manifest": "mmerc.corpora.manifest",
    "read_rttm": "mmerc.media.speaker_turns",
    "read_subtitles": "mmerc.media.subtitles",
    "read_transcript": "mmerc.corpora.transcript",
    "train": "mmerc.training.train",
    "write_results": "mmerc.inference.results",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'mmerc' has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
