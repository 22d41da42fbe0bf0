"""Faces: detection, tracking, identity, and active speaker."""
