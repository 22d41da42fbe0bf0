"""Baselines, trained and evaluated in the same way as the published systems."""
