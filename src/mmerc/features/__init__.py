"""Vectors of utterances: how they are made, and where they are kept."""
