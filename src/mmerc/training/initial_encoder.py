"""Initialise a text encoder from another model."""

from __future__ import annotations

from mmerc.errors import UsageError
from mmerc.files import file_fingerprint
from mmerc.models.base import AnyModel
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model


def copy_text_encoder(source: str, model: AnyModel) -> None:
    """Copy the weights of ``source``'s text encoder, including adapters, to ``model``.

    Models that read stored text vectors are unchanged. UsageError if ``source`` has no text encoder
    or a different one.
    """
    if model.text_encoder is None:
        return
    initial = load_model(source).text_encoder
    if initial is None:
        raise UsageError(f"initial_text_encoder: {source} has no text encoder.")
    try:
        model.text_encoder.load_state_dict(initial.state_dict())
    except RuntimeError as error:
        raise UsageError(
            f"initial_text_encoder: the text encoder of {source} differs from the recipe's; use "
            f"its settings (name {initial.config.name}, tuning {initial.config.tuning}, lora_rank "
            f"{initial.config.lora_rank}), or none (--set training.initial_text_encoder=null)."
        ) from error


def initial_fingerprint(source: str) -> str:
    """Return the SHA-256 of the weights of ``source``, which affect a training's result."""
    return file_fingerprint(locate_model(source) / "model.safetensors")
