"""Export an analysis to the formats of other tools."""
