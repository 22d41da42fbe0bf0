"""The command line: where corpora, features, training and inference meet."""

from mmerc.cli.app import main

__all__ = ["main"]
