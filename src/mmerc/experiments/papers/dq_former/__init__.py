"""Tables and figures of DQ-Former."""
