"""Plain models on the same footing, to measure the systems against."""
