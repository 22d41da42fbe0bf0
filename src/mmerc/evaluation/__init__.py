"""Predictions, metrics, and statistical tests."""
