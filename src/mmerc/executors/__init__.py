"""Run many items in parallel, in local processes or on a Ray cluster."""
