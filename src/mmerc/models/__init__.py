"""The published systems and their baselines, one folder each."""
