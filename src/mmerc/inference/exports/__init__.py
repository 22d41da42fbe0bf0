"""An analysis as files that other tools open."""
