"""One module per command; a command imports heavy libraries only when it runs."""
