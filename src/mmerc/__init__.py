"""Multimodal emotion recognition in conversation: DF-ERC, MultiEMO and DQ-Former."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmerc.inference.pipeline import Pipeline as Pipeline

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``mmerc.Pipeline``, loaded when it is asked for: the program's help need not wait for it."""
    if name == "Pipeline":
        from mmerc.inference.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module 'mmerc' has no attribute {name!r}")
