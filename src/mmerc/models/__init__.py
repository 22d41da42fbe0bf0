"""The published systems, one folder each, and the baselines."""
