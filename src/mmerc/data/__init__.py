"""From a prepared corpus to batches of conversations."""
