"""Run models on conversations: predictions, effects of leaving inputs out, text vectors."""
