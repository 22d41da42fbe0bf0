"""The table and the figure of a robustness test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import Metric
from mmerc.experiments.plots.style import METRIC_NAMES, as_csv, house_style
from mmerc.experiments.reports.content import ReportContent, ReportTable, render_markdown
from mmerc.experiments.robustness.robustness_plot import plot_robustness
from mmerc.experiments.robustness.robustness_scores import UNDISTURBED, RobustnessScore
from mmerc.files import write_text

_NOTE = (
    "Percent, mean and deviation over seeds. The difference is to the undisturbed run: a bootstrap "
    "paired over conversations with its 95 % interval, Holm's correction over the rows of a run."
)
_EXPLANATION = (
    "zeroed: the modality's input is 0 and counts as present; absent: it is declared absent. White "
    "noise in decibels below the sound's mean power, per utterance; frames and words are dropped "
    "independently, one word always stays."
)


def write_robustness(
    scores: Sequence[RobustnessScore],
    left_out: Sequence[str],
    corpus: PreparedCorpus,
    out: Path,
    *,
    metric: Metric,
) -> ReportTable:
    """Write robustness.md, robustness.csv and figures/robustness.* (PNG, SVG, its data)."""
    with house_style():
        plot = plot_robustness(scores, metric)
    plot.save(out / "figures")
    write_text(out / "robustness.csv", as_csv([score.to_json() for score in scores]))
    table = _table(scores, metric)
    ((split, counts),) = corpus.counts().items()
    size = (
        f"{corpus.name}, {split} split: {counts['utterances']} utterances in "
        f"{counts['conversations']} conversations."
    )
    content = ReportContent(
        title="Robustness",
        lines=(size, _EXPLANATION),
        remarks=tuple(left_out),
        plots=(plot,),
        tables=(table,),
    )
    write_text(out / "robustness.md", render_markdown(content))
    return table


def _table(scores: Sequence[RobustnessScore], metric: Metric) -> ReportTable:
    name = METRIC_NAMES[metric]
    columns = ("run", "modality", "disturbance", name, "difference", "95 % interval", "Holm p")
    return ReportTable(title="Scores", note=_NOTE, columns=columns, rows=tuple(map(_cells, scores)))


def _cells(score: RobustnessScore) -> tuple[str, ...]:
    spread = f" ± {score.deviation:.2f}" if score.seeds > 1 else ""
    disturbance = score.disturbance
    name = ("", UNDISTURBED) if disturbance is None else (disturbance.modality, disturbance.name)
    cells = (score.run, *name, f"{score.mean:.2f}{spread}")
    if score.versus is None:
        return (*cells, "", "", "")
    bootstrap = score.versus.bootstrap
    interval = f"{bootstrap.low:+.2f} to {bootstrap.high:+.2f}"
    return (*cells, f"{bootstrap.difference:+.2f}", interval, f"{score.versus.adjusted:.4f}")
