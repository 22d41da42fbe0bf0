"""Emotions while somebody speaks: sound, pictures and words in, events out.

``session.LiveSession`` is one conversation; ``live_components.LiveComponents`` are the networks
that all sessions of a process share. The package is part of ``inference`` because it runs the same
stages as the pipeline; it is not called ``mmerc.live``, which is the function of the public API.
"""
