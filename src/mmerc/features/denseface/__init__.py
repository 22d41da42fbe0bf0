"""DenseFace: an extractor with a DenseNet trained on facial expressions."""
