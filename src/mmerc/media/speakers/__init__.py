"""Who speaks when: local speaker activity, voice vectors, and their clustering into speakers."""
