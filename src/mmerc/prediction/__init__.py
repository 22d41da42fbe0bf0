"""Running a model over conversations: predictions, what decided them, and text vectors."""
