"""DQ-Former: queries gather emotion from the layers of each modality's encoder (MM 2024)."""

from mmerc.models.dq_former.config import DqFormerConfig
from mmerc.models.dq_former.model import DqFormer

__all__ = ["DqFormer", "DqFormerConfig"]
