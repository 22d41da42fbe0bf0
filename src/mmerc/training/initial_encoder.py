"""Trainings whose text encoder starts from that of another model."""

from __future__ import annotations

from mmerc.errors import UsageError
from mmerc.files import file_fingerprint
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model, locate_model


def copy_text_encoder(source: str, model: AnyModel) -> None:
    """Copy the weights of ``source``'s text encoder, adapters included, to ``model``'s.

    UsageError if either trains no text encoder, or they are of different kinds.
    """
    encoder, initial = model.text_encoder, load_model(source).text_encoder
    if encoder is None or initial is None:
        without = "the recipe's model" if encoder is None else source
        raise UsageError(f"initial_text_encoder: {without} has no text encoder of its own.")
    try:
        encoder.load_state_dict(initial.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"initial_text_encoder: the text encoder of {source} differs from the recipe's; use "
            f"its settings: name {initial.config.name}, tuning {initial.config.tuning}, "
            f"lora_rank {initial.config.lora_rank}."
        ) from error


def initial_fingerprint(source: str) -> str:
    """SHA-256 of the weights of ``source``, which decide a training's result."""
    return file_fingerprint(locate_model(source) / "model.safetensors")
