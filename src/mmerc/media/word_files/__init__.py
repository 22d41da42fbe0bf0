"""Timed words written by other programs."""
