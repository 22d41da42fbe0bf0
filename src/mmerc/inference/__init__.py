"""Emotions of recordings and live conversations, and the files that report them."""
