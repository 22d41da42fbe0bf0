"""Performance of trained models on other corpora."""
