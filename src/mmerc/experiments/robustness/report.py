"""The table and the figure of a test of robustness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import Metric
from mmerc.experiments.figures.robustness import draw_robustness
from mmerc.experiments.figures.style import METRIC_NAMES, as_csv
from mmerc.experiments.report.content import Report, Table
from mmerc.experiments.report.markdown import as_markdown
from mmerc.experiments.robustness.measuring import UNDISTURBED, Row
from mmerc.files import write_text

NOTE = (
    "Percent, mean and deviation over seeds. The difference is to the undisturbed run: a bootstrap "
    "paired over conversations with its 95 % interval, Holm's correction over the rows of a run."
)
MEANS = (
    "zeroed: the modality's input is 0 and counts as present; absent: it is declared so. White "
    "noise in decibels below the sound's mean power, by utterance; frames and words go each by "
    "itself, one word always stays."
)


def table_of(rows: Sequence[Row], metric: Metric) -> Table:
    """The table, for the terminal and for Markdown."""
    name = METRIC_NAMES[metric]
    columns = ("run", "modality", "disturbance", name, "difference", "95 % interval", "Holm p")
    return Table(title="Scores", note=NOTE, columns=columns, rows=tuple(map(cells, rows)))


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    spread = f" ± {row.deviation:.2f}" if row.seeds > 1 else ""
    score = f"{row.mean:.2f}{spread}"
    what = row.disturbance
    named = ("", UNDISTURBED) if what is None else (what.modality, what.name)
    if row.versus is None:
        return (row.run, *named, score, "", "", "")
    found = row.versus.bootstrap
    bounds = f"{found.low:+.2f} to {found.high:+.2f}"
    return (
        row.run, *named, score, f"{found.difference:+.2f}", bounds, f"{row.versus.adjusted:.4f}"
    )  # fmt: skip


def write_robustness(
    rows: Sequence[Row],
    left_out: Sequence[str],
    corpus: PreparedCorpus,
    out: Path,
    *,
    metric: Metric,
) -> Table:
    """Write robustness.md, robustness.csv and figures/robustness.* (PNG, SVG, its data)."""
    drawn = draw_robustness(rows, metric)
    drawn.save(out / "figures")
    write_text(out / "robustness.csv", as_csv([row.to_json() for row in rows]))
    table = table_of(rows, metric)
    ((split, counts),) = corpus.counts().items()
    seen = (
        f"{corpus.name}, {split} split: {counts['utterances']} utterances in "
        f"{counts['conversations']} conversations."
    )
    report = Report(
        title="Robustness",
        lines=(seen, MEANS),
        remarks=tuple(left_out),
        figures=(drawn,),
        tables=(table,),
    )
    write_text(out / "robustness.md", as_markdown(report))
    return table
