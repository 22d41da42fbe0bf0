"""Predictions, the numbers that judge them, and what those numbers can bear."""
