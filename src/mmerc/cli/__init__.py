"""The command line, on top of corpora, features, training and inference."""

from mmerc.cli.app import main

__all__ = ["main"]
