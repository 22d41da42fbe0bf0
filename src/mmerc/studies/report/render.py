"""``report.html``: a study on one page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mmerc.files import encodable, write_text
from mmerc.inference.exports.tiers import one_line
from mmerc.inference.page.render import content_security_policy, page_environment, read_base
from mmerc.inference.page.scripts import bundle_modules
from mmerc.labels import LABEL_SETS, PALETTE
from mmerc.studies.measure_row import Measure
from mmerc.studies.measures import measure_study
from mmerc.studies.measures_table import MEASURES_FILE, read_measures, write_measures
from mmerc.studies.report.distributions import (
    MAX_GROUPS,
    Distribution,
    Share,
    distribution_over_recordings,
    distributions_by,
    distributions_of_people,
    rivers,
)
from mmerc.studies.report.doubts import list_doubts
from mmerc.studies.report.figures import river, stacked_bar, whisker
from mmerc.studies.report.measure_tables import compared_rows, heat_cells, measure_rows
from mmerc.studies.report.methods import describe_methods
from mmerc.studies.report.study_data import StudyData, read_study_data
from mmerc.studies.sequences import UTTERANCES_FILE
from mmerc.version import __version__

REPORT_FILE = "report.html"
_MAX_PEOPLE = 40


def write_report(study: str | Path) -> Path:
    """Write the report of a study into its folder, and return its path.

    Uses the measures in ``measures.csv``. If that file is missing or older than the utterances, the
    study is measured first, with comparisons if it has conditions.
    InputError if the study's tables are missing or damaged.
    """
    folder = Path(study)
    data = read_study_data(folder)
    path = folder / REPORT_FILE
    write_text(path, render_report(data, _find_measures(folder, data), title=folder.resolve().name))
    return path


def _find_measures(folder: Path, data: StudyData) -> list[Measure]:
    """Read the study's measures, or measure it."""
    path = folder / MEASURES_FILE
    if path.is_file() and path.stat().st_mtime >= (folder / UTTERANCES_FILE).stat().st_mtime:
        return read_measures(path)
    by = "condition" if distributions_by(data, "condition") else None
    measures = measure_study(folder, by=by)
    write_measures(path, measures)
    return measures


def render_report(data: StudyData, measures: Sequence[Measure], *, title: str) -> str:
    """Render the report as HTML, without any words of the recordings.

    Names are shown as text, never as markup; the content security policy only allows the page's own
    style and script.
    """
    labels = data.sequences.labels
    style = read_base() + _read("report.css") + _label_style(labels)
    script = _script()
    everything = distribution_over_recordings(data, "", np.ones(len(data.time), bool))
    by_condition = distributions_by(data, "condition")
    limit, rows = measure_rows(measures)
    methods = describe_methods(data, measures)
    return (
        page_environment()
        .get_template("studies/report/report.html")
        .render(
            policy=content_security_policy(style=style, script=script),
            style=style,
            script=script,
            title=_plain(title) or "Study",
            version=__version__,
            labels=[_plain(name) for name in labels],
            models=[_plain(name) for name, _ in methods.models],
            facts=_list_facts(data),
            limit=round(100 * _limit([everything])),
            overall=_share_cells(everything.shares, _limit([everything])),
            factors=[_show_factor(name, data) for name in ("condition", "group")
                     if distributions_by(data, name)],
            people=_show_people(data),
            rivers=_distributions_over_time(data, [item.name for item in by_condition]),
            transitions=heat_cells(labels, measures),
            measures={"rows": rows, "limit": limit, "compared": compared_rows(measures)},
            doubts=list_doubts(data),
            methods=methods,
            recordings=_show_recordings(data),
            has_conditions="condition" in data.factors and bool(data.factors["condition"].any()),
        )
    )  # fmt: skip


def _list_facts(data: StudyData) -> list[tuple[str, str]]:
    """List the study's key numbers."""
    people = data.factors.get("participant")
    named = people is not None and bool(people.any())
    facts = [
        ("recordings", f"{len(data.recording_names):,}"),
        ("utterances", f"{len(data.confidence):,}"),
    ]
    if named:
        facts.append(("participants", f"{len(set(people.tolist()) - {''}):,}"))  # type: ignore[union-attr]
    facts.append(("speakers in recordings", f"{data.sequences.voices:,}"))
    seconds = sum(float(row.get("duration") or 0.0) for row in data.recordings.values())
    if seconds:
        unit, length = ("hours", 3600) if seconds >= 3600 else ("minutes", 60)
        facts.append((unit, f"{seconds / length:,.1f}"))
    if data.failed:
        facts.append(("not analysed", f"{data.failed:,}"))
    return facts


def _show_factor(name: str, data: StudyData) -> dict[str, Any]:
    """Return distributions by the values of a study column."""
    groups = distributions_by(data, name)
    limit = _limit(groups)
    return {
        "name": name,
        "limit": round(100 * limit),
        "groups": [
            {
                "name": _plain(group.name),
                "recordings": f"{group.recordings:,}",
                "utterances": f"{group.utterances:,}",
                "shares": _share_cells(group.shares, limit),
            }
            for group in groups
        ],
    }


def _show_people(data: StudyData) -> dict[str, Any]:
    """Return distributions of the people with the most utterances."""
    kind, people = distributions_of_people(data)
    items = [
        {
            "name": _plain(person.name),
            "utterances": f"{person.utterances:,}",
            "figure": stacked_bar([share.value for share in person.shares]),
            "shares": [_share_text(share) for share in person.shares],
        }
        for person in people[:_MAX_PEOPLE]
    ]
    return {"kind": kind, "shown": items, "hidden": len(people) - len(items)}


def _distributions_over_time(data: StudyData, conditions: Sequence[str]) -> list[dict[str, Any]]:
    """Return shares over time, overall and by condition."""
    labels = data.sequences.labels
    items = []
    for name, shares in rivers(data, "condition", conditions[:MAX_GROUPS]):
        ends = ", ".join(
            f"{_plain(label)} {shares[0, n]:.0%} to {shares[-1, n]:.0%}"
            for n, label in enumerate(labels)
        )
        text = f"Shares from the beginning to the end: {ends}."
        items.append({"name": _plain(name), "text": text, "figure": river(shares)})
    return items


def _show_recordings(data: StudyData) -> list[dict[str, Any]]:
    """Return one row per recording, in table order."""
    sequences = data.sequences
    counts = data.counts
    voices = np.bincount(sequences.recording_of_voice, minlength=sequences.recordings)
    first = np.unique(sequences.recording, return_index=True)[1]
    conditions = data.factors.get("condition")
    rows = []
    for number, name in enumerate(data.recording_names):
        duration = data.recordings.get(name, {}).get("duration")
        total = counts[number].sum()
        rows.append(
            {
                "name": _plain(name),
                "condition": "" if conditions is None else _plain(str(conditions[first[number]])),
                "minutes": "-" if duration is None else f"{float(duration) / 60:.1f}",
                "speakers": int(voices[number]),
                "utterances": f"{int(total):,}",
                "figure": stacked_bar((counts[number] / total).tolist()),
            }
        )
    return rows


def _share_cells(shares: Sequence[Share], limit: float) -> list[dict[str, Any]]:
    """Return shares as figures and text."""
    return [
        {
            "figure": whisker(share.value, share.low, share.high, limit=limit, label=number),
            "text": _share_text(share),
        }
        for number, share in enumerate(shares)
    ]


def _share_text(share: Share) -> str:
    """Format a share in per cent with its interval."""
    text = f"{100 * share.value:.0f} %"
    if share.low is None or share.high is None:
        return text
    return f"{text} ({100 * share.low:.0f}–{100 * share.high:.0f})"


def _limit(groups: Sequence[Distribution]) -> float:
    """Return the maximum of a scale for all shares, in steps of a tenth."""
    shares = [share for group in groups for share in group.shares]
    highest = max((share.high or share.value for share in shares), default=1.0)
    return min(1.0, np.ceil(10 * highest) / 10) or 0.1


def _label_style(labels: Sequence[str]) -> str:
    """Define classes with each label's colour, as fill (``c0``) and stroke (``s0``)."""
    return "".join(
        f".c{n} {{ fill: {colour}; }}\n.whisker .s{n} {{ stroke: {colour}; }}\n"
        for n, colour in enumerate(_label_colours(labels))
    )


def _label_colours(labels: Sequence[str]) -> list[str]:
    """Return the colours of the label set with these labels, or other distinct ones."""
    for known in LABEL_SETS.values():
        if set(labels) <= set(known.names):
            return [known.colours[known.index(name)] for name in labels]
    return [PALETTE[n % len(PALETTE)] for n in range(len(labels))]


def _plain(text: str) -> str:
    """Return a name on one line, without lone surrogates."""
    return encodable(one_line(text))


def _read(name: str) -> str:
    return (files("mmerc.studies.report") / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return bundle_modules(files("mmerc"), "studies/report/copy.js")
