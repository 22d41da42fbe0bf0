"""Annotation files: tiers, tables and labels, and matching of raters."""
