"""Running models on conversations: predictions, the effects of leaving out, text vectors."""
