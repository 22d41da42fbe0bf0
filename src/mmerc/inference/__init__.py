"""Analysis of recordings and live conversations, and its output files."""
