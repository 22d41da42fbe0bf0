"""Prepared corpora, their media and vectors, and batches of conversations."""
