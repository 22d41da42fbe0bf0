"""Robustness of trained models to disturbed input."""
