"""wav2vec 2.0, HuBERT and WavLM on padded clips."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def waveform_states(backbone: Any, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the states of every layer and a mask of real positions; padding has no effect.

    Shape: samples [U, T] float32 with zeros after lengths [U] (400 or more) -> layers x [U, P, D],
    [U, P] bool.
    """
    if getattr(backbone.config, "do_normalize", False):
        samples = _standardise(samples, lengths)
    features = _convolve(backbone, samples, lengths)
    counts = backbone._get_feat_extract_output_lengths(lengths)
    mask = torch.arange(features.shape[1], device=samples.device) < counts[:, None]
    projected = backbone.feature_projection(features)
    hidden = (
        projected[0] if isinstance(projected, tuple) else projected
    )  # HuBERT returns one tensor
    states: list[Tensor] = []

    def store(_layer: Any, _inputs: Any, result: Any) -> None:
        states.append(result[0] if isinstance(result, tuple) else result)

    handles = [layer.register_forward_hook(store) for layer in backbone.encoder.layers]
    try:
        last = backbone.encoder(hidden.clone(), attention_mask=mask).last_hidden_state
    finally:
        for handle in handles:
            handle.remove()
    return [*states[:-1], last], mask


def _convolve(backbone: Any, samples: Tensor, lengths: Tensor) -> Tensor:
    """Run the convolutions. Shape: samples [U, T], lengths [U] -> [U, P, channels].

    The first layer of the base models normalises over the whole time axis, including padding. For
    them, clips are run one by one, as in their pre-training.
    """
    if getattr(backbone.config, "feat_extract_norm", "group") == "layer":
        features: Tensor = backbone.feature_extractor(samples).mT
        return features
    clips = zip(samples, lengths.tolist(), strict=True)
    separate = [backbone.feature_extractor(clip[None, :length])[0].mT for clip, length in clips]
    return pad_sequence(separate, batch_first=True)


def _standardise(samples: Tensor, lengths: Tensor) -> Tensor:
    """Scale each clip to mean 0, variance 1; zeros after it. Shape: [U, T], [U] -> [U, T]."""
    real = torch.arange(samples.shape[1], device=samples.device) < lengths[:, None]
    mean = samples.sum(1, keepdim=True) / lengths[:, None]
    centred = (samples - mean).where(real, 0.0)
    variance = (centred**2).sum(1, keepdim=True) / lengths[:, None]
    return centred / (variance + 1e-7).sqrt()
