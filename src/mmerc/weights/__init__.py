"""Weights of encoders that are fetched by name from the user's own package index."""
