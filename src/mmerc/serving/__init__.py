"""The service: recordings and transcripts in over HTTP, analyses and a page out."""
