"""An analysis as one page for a browser: no network, no framework."""
