"""One module a command; heavy libraries are imported only by the command that needs them."""
