"""How every figure looks: colours that the colour-blind can tell, and never colour alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmerc.conversation import MODALITIES
from mmerc.experiments.analyses import Rows
from mmerc.files import atomic_file, write_text

# Okabe and Ito's palette without its yellow, which is too light for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
MODALITY_COLOURS: dict[str, str] = dict(zip(MODALITIES, COLOURS, strict=False))
MODALITY_MARKERS: dict[str, str] = dict(zip(MODALITIES, MARKERS, strict=False))
INK, SOFT, FAINT = "#1c1e21", "#5a6068", "#dddfe3"
METRIC_NAMES = {"weighted_f1": "weighted F1", "accuracy": "accuracy", "macro_f1": "macro F1"}
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 9, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.edgecolor": SOFT, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": SOFT, "ytick.color": SOFT, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "legend.frameon": False, "legend.fontsize": 8, "legend.handlelength": 3.0,
    "svg.hashsalt": "mmerc", "lines.linewidth": 1.4,
}  # fmt: skip


def looks() -> AbstractContextManager[None]:
    """Within it, whatever is drawn looks like all the rest."""
    return mpl.rc_context(SETTINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A figure with its data; ``says`` is what a reader who cannot see it is told."""

    name: str
    title: str
    says: str
    figure: Figure
    rows: Rows

    def save(self, folder: Path) -> None:
        """NAME.png, NAME.svg and NAME.csv, each whole or not at all."""
        with looks():
            if (engine := self.figure.get_layout_engine()) is not None:
                engine.execute(self.figure)
                self.figure.set_layout_engine(None)  # solved once, not again for each format
            for ending, options in (("png", {"dpi": 160}), ("svg", {"metadata": {"Date": None}})):
                with atomic_file(folder / f"{self.name}.{ending}") as temporary:
                    self.figure.savefig(temporary, format=ending, **options)
        write_text(folder / f"{self.name}.csv", as_csv(self.rows))


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """An empty figure (inches) with its axes row by row."""
    with looks():
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [axis for line in axes for axis in line]


def styled(place: int) -> dict[str, Any]:
    """Colour, marker and line of the line at ``place``: no two of 28 alike."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place // len(COLOURS) % len(LINES)],
        "markersize": 5,
    }


def legend_below(
    figure: Figure, axis: Axes, columns: int = 4, *, marker_scale: float = 1.0
) -> None:
    """One legend for all axes, under them."""
    handles, names = axis.get_legend_handles_labels()
    if handles:
        with looks():
            figure.legend(
                handles, names, loc="outside lower center", ncols=min(columns, len(names)),
                markerscale=marker_scale,
            )  # fmt: skip


def capital(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """CSV text; a number that is not known is an empty cell."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: rounded(v) for k, v in row.items()} for row in rows)
    return text.getvalue()


def rounded(value: Any) -> Any:
    """Floats to six digits: a file that is the same on every machine as far as it matters."""
    return round(value, 6) if isinstance(value, float) else value
