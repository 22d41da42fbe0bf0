"""A target's report: one page, and the same as Markdown."""
