"""DenseFace: a DenseNet that was trained to tell facial expressions, as an extractor."""
