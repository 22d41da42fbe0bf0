"""Reproduce every table and figure of the three papers: targets, runs and reports."""
