"""Faces in pictures: where they are, which belong together, and who seems to speak."""
