"""An analysis as text in the formats of other tools."""
