"""An analysis as a single HTML page, without network access or frameworks."""
