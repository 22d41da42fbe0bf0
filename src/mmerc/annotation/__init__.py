"""Files that people annotated: their tiers, tables and labels, and how raters are matched."""
