"""DF-ERC: disentanglement and fusion for emotion recognition in conversation (Li et al. 2023)."""

from mmerc.models.df_erc.config import DfErcConfig
from mmerc.models.df_erc.model import DfErc

__all__ = ["DfErc", "DfErcConfig"]
