"""The report of a study: a single self-contained page."""
