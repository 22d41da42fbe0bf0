"""How much a trained model loses when what it reads is disturbed."""
