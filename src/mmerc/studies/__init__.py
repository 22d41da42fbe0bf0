"""Studies: many recordings analysed by one command, and one set of tables."""
