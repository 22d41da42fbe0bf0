"""Fusion models as ONNX files: utterance vectors in, probabilities out."""
