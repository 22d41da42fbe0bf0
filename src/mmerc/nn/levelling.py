"""Standardisation of vectors within a recording and for each of its speakers.

Microphone, room and volume shift all acoustic vectors of a recording equally; light, camera and
person shift face vectors. Levelled vectors show how people differ from their own average, which
transfers to recordings unlike the training data.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class LevellingPriors(BaseModel):
    """Weights of the priors, in utterances: of the training data, and of the recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recording_prior: float = Field(default=20.0, gt=0, description="in utterances")
    speaker_prior: float = Field(default=10.0, gt=0, description="in utterances")


class LevellingConfig(LevellingPriors):
    """Settings for levelling audio and video vectors.

    [decided] Statistics are shrunk: a recording's towards the training data, which counts as
    ``recording_prior`` utterances; a speaker's towards the recording, which counts as
    ``speaker_prior``. A few utterances do not show what is typical of a microphone or a person, and
    a person who shows one emotion throughout must not be levelled to neutral.
    """

    by: Literal["recording", "speaker"] = "speaker"
    modalities: dict[Literal["audio", "video"], LevellingPriors] = Field(
        default_factory=dict, description="priors of single modalities, which replace the two above"
    )
    clip: float = Field(default=5.0, gt=0, description="in standard deviations")
    causal: bool = Field(default=False, description="uses no later utterances")

    def priors_of(self, modality: str) -> LevellingPriors:
        """Return the priors of a modality."""
        matching = (priors for name, priors in self.modalities.items() if name == modality)
        return next(matching, self)


def level_vectors(
    scores: Tensor,
    present: Tensor,
    speakers: Tensor,
    config: LevellingConfig,
    modality: str,
) -> Tensor:
    """Standardise a modality's vectors by statistics of their recording, then of their speaker.

    ``scores`` are standard scores relative to the training data; so is the result.

    Shape: scores [B, N, D], present [B, N] bool, speakers [B, N] int -> [B, N, D], 0 where absent.
    """
    priors = config.priors_of(modality)
    with torch.autocast(scores.device.type, enabled=False):
        values = scores.float().masked_fill(~present.unsqueeze(-1), 0.0)
        members = present.unsqueeze(1)  # [B, 1, N]: all utterances of the recording
        if config.causal:
            length = values.shape[1]
            order = torch.arange(length, device=values.device)
            members = members & (order[None, :] <= order[:, None])
        zero, one = values.new_zeros(()), values.new_ones(())
        mean, deviation = _shrink(values, members, zero, one, prior=priors.recording_prior)
        if config.by == "speaker":
            members = members & (speakers.unsqueeze(2) == speakers.unsqueeze(1))
            mean, deviation = _shrink(values, members, mean, deviation, prior=priors.speaker_prior)
        levelled = ((values - mean) / deviation).clamp(-config.clip, config.clip)
        return levelled.masked_fill(~present.unsqueeze(-1), 0.0)


def _shrink(
    values: Tensor,
    members: Tensor,
    typical_mean: Tensor,
    typical_deviation: Tensor,
    *,
    prior: float,
) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each row's members, shrunk by ``prior`` typical utterances.

    Shape: values [B, N, D], members [B, M, N] bool, typical [B, M or 1, D] -> [B, M, D] each.
    """
    counted = members.float()
    count = counted.sum(-1, keepdim=True)
    share = count / (count + prior)
    average = counted / count.clamp(min=1)
    own_mean, own_square = average @ values, average @ values.square()
    mean = share * own_mean + (1 - share) * typical_mean
    spread = share * (own_square - 2 * mean * own_mean + mean.square())
    spread = spread + (1 - share) * (typical_deviation.square() + (typical_mean - mean).square())
    return mean, spread.clamp(min=1e-12).sqrt()
