"""Words with times that other programs wrote."""
