"""Plotting shared by all papers: style, tables of scores, learning curves, groups of utterances."""
