"""Diarization: local speaker activity, voice vectors, and clustering into speakers."""
