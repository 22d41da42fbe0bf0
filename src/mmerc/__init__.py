"""Multimodal emotion recognition in conversation: DF-ERC, MultiEMO and DQ-Former."""

__version__ = "0.1.0"
