"""MultiEMO: cross-attention between modalities, a loss for rare emotions (Shi and Huang 2023)."""

from mmerc.models.multiemo.config import MultiEmoConfig
from mmerc.models.multiemo.model import MultiEmo

__all__ = ["MultiEmo", "MultiEmoConfig"]
