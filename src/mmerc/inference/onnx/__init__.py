"""Fusion models as ONNX files: utterance vectors in, probabilities out."""

from mmerc.inference.onnx.exporter import Exported, export_model

__all__ = ["Exported", "export_model"]
