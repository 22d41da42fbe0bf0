"""The version of mmerc, on its own so that low layers can name it."""

__version__ = "0.1.0"
