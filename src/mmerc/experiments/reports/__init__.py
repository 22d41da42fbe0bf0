"""Reports as a self-contained HTML page and as Markdown."""
