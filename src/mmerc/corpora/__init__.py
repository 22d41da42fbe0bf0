"""Raw corpora, each read into conversations with labels, splits and ready-made vectors."""
