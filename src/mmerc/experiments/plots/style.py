"""Style of all figures: colour-blind safe, and never colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmerc.conversation import MODALITIES
from mmerc.csv_text import format_csv
from mmerc.files import atomic_file, write_text

Records = list[dict[str, Any]]  # data of a figure; each record is a row of its CSV file

# Okabe and Ito's palette without its yellow, which is too light for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
MODALITY_COLOURS: dict[str, str] = dict(zip(MODALITIES, COLOURS, strict=False))
MODALITY_MARKERS: dict[str, str] = dict(zip(MODALITIES, _MARKERS, strict=False))
_INK, SOFT, _FAINT = "#1c1e21", "#5a6068", "#dddfe3"
METRIC_NAMES = {
    "weighted_f1": "weighted F1",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "unweighted_recall": "unweighted recall",
}
_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 9, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.edgecolor": SOFT, "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": SOFT, "ytick.color": SOFT, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": _FAINT, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "legend.frameon": False, "legend.fontsize": 8, "legend.handlelength": 3.0,
    "svg.hashsalt": "mmerc", "lines.linewidth": 1.4,
}  # fmt: skip


def house_style() -> AbstractContextManager[None]:
    """Apply the common style to everything drawn and saved within the block."""
    return mpl.rc_context(_SETTINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A figure with its data; ``caption`` also serves readers who cannot see the figure."""

    name: str
    title: str
    caption: str
    figure: Figure
    records: Records

    def save(self, folder: Path) -> None:
        """Write NAME.png, NAME.svg and NAME.csv, each atomically."""
        with house_style():
            if (engine := self.figure.get_layout_engine()) is not None:
                engine.execute(self.figure)
                self.figure.set_layout_engine(None)  # computed once, not for each format
            for ending, options in (("png", {"dpi": 160}), ("svg", {"metadata": {"Date": None}})):
                with atomic_file(folder / f"{self.name}.{ending}") as temporary:
                    self.figure.savefig(temporary, format=ending, **options)
        write_text(folder / f"{self.name}.csv", as_csv(self.records))


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Create an empty figure (inches) with its axes row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [axis for line in axes for axis in line]


def line_style(index: int) -> dict[str, Any]:
    """Return colour, marker and dashes of line number ``index``; 28 combinations."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "linestyle": LINES[index // len(COLOURS) % len(LINES)],
        "markersize": 5,
    }


def legend_below(
    figure: Figure, axis: Axes, columns: int = 4, *, marker_scale: float = 1.0
) -> None:
    """Put one legend for all axes below them."""
    handles, names = axis.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, loc="outside lower center", ncols=min(columns, len(names)),
            markerscale=marker_scale,
        )  # fmt: skip


def records_by_row(records: Records) -> dict[str, Records]:
    """Group records by row of the target."""
    names = list(dict.fromkeys(str(record["row"]) for record in records))
    return {name: [record for record in records if record["row"] == name] for name in names}


def column(records: Records, key: str) -> list[float]:
    """Return a column's numbers, NaN if missing."""
    return [float("nan") if r.get(key) is None else float(r[key]) for r in records]


def as_csv(records: Sequence[dict[str, Any]]) -> str:
    """Format records as CSV; floats have six digits, so that files agree across machines."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    rounded = (
        {k: round(v, 6) if isinstance(v, float) else v for k, v in record.items()}
        for record in records
    )
    return format_csv(columns, rounded)
