"""Studies: analyse many recordings with one command into one set of tables."""
