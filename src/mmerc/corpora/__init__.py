"""Readers of raw corpora: conversations, labels, splits and published vectors."""
