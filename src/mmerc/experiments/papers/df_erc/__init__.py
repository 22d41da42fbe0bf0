"""Tables and figures of DF-ERC."""
