"""A temperature for each set of modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.models.set_scores import modality_key


def find_temperatures(
    temperatures: Mapping[str, float], used: Mapping[Modality, Tensor], other: float
) -> Tensor | float:
    """Find the temperature of every utterance from the modalities used.

    ``other`` applies to sets missing from ``temperatures`` (keys: ``modality_key``), and to all
    utterances if either mapping is empty.

    Shape: used[m] [...] bool -> [..., 1] float32.
    """
    if not temperatures or not used:
        return other
    modalities = tuple(used)
    subsets = [
        modality_key(m for place, m in enumerate(modalities) if number >> place & 1)
        for number in range(2 ** len(modalities))
    ]
    numbers = torch.stack([used[m].long() << place for place, m in enumerate(modalities)]).sum(0)
    values = [temperatures.get(subset, other) for subset in subsets]
    return torch.tensor(values, device=numbers.device)[numbers].unsqueeze(-1)
