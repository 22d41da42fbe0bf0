"""Feature vectors of utterances: extractors and the feature store."""
