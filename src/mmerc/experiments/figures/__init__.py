"""Figures: rows of a CSV in, a picture out."""
