"""From a recording to a timeline of emotions."""

from mmerc.inference.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]
