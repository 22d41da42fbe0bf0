"""One module per command; heavy libraries are imported only when a command runs."""
