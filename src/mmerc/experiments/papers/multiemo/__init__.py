"""Tables and figures of MultiEMO."""
