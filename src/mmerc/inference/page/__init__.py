"""An analysis as one page for a browser, without a network or a framework."""
