"""A plug-in of mmerc: one model, one extractor, one corpus, one target and one recipe."""
