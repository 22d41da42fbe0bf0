"""Figures of the report as SVG; colours are classes of the style sheet (``c0``, ``c1``, ...)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from mmerc.studies.sequences import Floats

_RIVER = (600, 150)


def stacked_bar(shares: Sequence[float]) -> Markup:
    """Draw shares as a stacked bar, 100 units wide."""
    parts, begin = [], 0.0
    for position, share in enumerate(shares):
        if share > 0:
            parts.append(_rect(position, 100 * begin, 100 * share))
        begin += share
    return _figure(100, 10, "bar", "".join(parts))


def river(shares: Floats) -> Markup:
    """Draw stacked shares over time, first label at the bottom. Shape: [T, K]."""
    width, height = _RIVER
    edges = np.concatenate([np.zeros((len(shares), 1)), np.cumsum(shares, axis=1)], axis=1)
    across = [f"{width * step / (len(shares) - 1):g}" for step in range(len(shares))]
    down = np.round(height * (1 - edges), 1)
    parts = []
    for position in range(shares.shape[1]):
        lower = [f"{x},{y:g}" for x, y in zip(across, down[:, position], strict=True)]
        upper = [f"{x},{y:g}" for x, y in zip(across, down[:, position + 1], strict=True)]
        points = " ".join([*lower, *reversed(upper)])
        parts.append(f'<polygon class="c{position}" points="{points}"/>')
    return _figure(width, height, "river", "".join(parts))


def whisker(
    value: float,
    low: float | None,
    high: float | None,
    *,
    limit: float,
    band: tuple[float, float] | None = None,
    label: int | None = None,
) -> Markup:
    """Draw a dot with interval on a scale from 0 to ``limit``; ``band``: range by chance."""
    parts = ['<line class="track" x1="2" x2="98" y1="5" y2="5"/>']
    if band is not None:
        begin, end = (_place(edge, limit) for edge in band)
        parts.append(
            f'<rect class="chance" x="{begin:g}" y="1" width="{max(end - begin, 0.3):g}" '
            'height="8"/>'
        )
    if low is not None and high is not None:
        ends = f'x1="{_place(low, limit):g}" x2="{_place(high, limit):g}"'
        parts.append(f'<line class="interval" {ends} y1="5" y2="5"/>')
    colour = "" if label is None else f" s{label}"
    at = f"{_place(value, limit):g}"
    # A zero-length line with round ends stays a circle when the figure is stretched.
    dot = f'x1="{at}" x2="{at}" y1="5" y2="5"'
    parts.append(f'<line class="dot rim" {dot}/><line class="dot{colour}" {dot}/>')
    return _figure(100, 10, "whisker", "".join(parts))


def _place(value: float, limit: float) -> float:
    """Map a value to a scale of 100 units, with room for the dot."""
    return round(2 + 96 * min(max(value / limit, 0.0), 1.0), 2)


def _rect(position: int, begin: float, width: float) -> str:
    return f'<rect class="c{position}" x="{begin:.4g}" width="{width:.4g}" height="10"/>'


def _figure(width: int, height: int, kind: str, content: str) -> Markup:
    """Build a figure that is stretched to fit; its numbers are given as text next to it."""
    frame = f'class="{kind}" viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
    return Markup(f'<svg {frame} aria-hidden="true">{content}</svg>')  # noqa: S704 numbers alone
