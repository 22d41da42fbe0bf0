"""Live analysis: sound, pictures and words in, events out.

``session.LiveSession`` is one conversation; ``live_components.LiveComponents`` are the networks
shared by all sessions of a process. The package is part of ``inference`` because it runs the same
stages as the pipeline. ``mmerc.live`` is the function of the public API.
"""
