"""The report of a study, as text."""

import html
import os
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from simulated import LABELS, simulate, write_report_study, write_study

from mmerc.errors import InputError
from mmerc.studies.measures import measure_study
from mmerc.studies.measures_table import write_measures
from mmerc.studies.report.distributions import (
    distribution_over_recordings,
    distributions_of_people,
    shares_over_time,
    wilson,
)
from mmerc.studies.report.doubts import list_doubts
from mmerc.studies.report.figures import river, stacked_bar, whisker
from mmerc.studies.report.measure_tables import heat_cells
from mmerc.studies.report.methods import describe_methods
from mmerc.studies.report.render import write_report
from mmerc.studies.report.study_data import read_study_data

EVIL = '</script><img src=x onerror=alert(1)> & "it"'


def text_of(page):
    body = page.split("<main>")[1]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_report_study(tmp_path_factory.mktemp("study") / "Couples")


@pytest.fixture(scope="module")
def page(study):
    return write_report(study).read_text(encoding="utf-8")


def test_report_has_every_part_and_no_utterance_text(page, study):
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert titles == [
        "Overview", "Emotions by condition", "Emotions by group", "Emotions by participant",
        "Emotions over time", "Transitions", "Measures against chance", "Warnings", "Methods",
        "Recordings", "What these numbers mean",
    ]  # fmt: skip
    assert "<title>Couples</title>" in page
    words = pq.read_table(study / "utterances.parquet")["text"].to_pylist()
    assert words[0] and not any(word in page for word in set(words))


def test_report_loads_nothing_and_runs_only_its_own_script(page):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "media-src" not in policy and "unsafe" not in policy
    assert not re.search(r'(?:src|href)=|url\(|@import|style="', page)


def test_names_are_escaped(tmp_path):
    columns = simulate(1, recordings=4, size=20)
    columns["recordings"] = [EVIL + name for name in columns["recordings"]]
    columns["speakers"] = [EVIL + name for name in columns["speakers"]]
    conditions = [EVIL + name[-1] for name in columns["recordings"]]
    page = write_report(write_study(tmp_path, columns, condition=conditions)).read_text()
    assert "<img" not in page and page.count("</script>") == 1
    assert EVIL in text_of(page)


def test_numbers_equal_the_tables(page, study):
    text = text_of(page)
    table = pq.read_table(study / "utterances.parquet").to_pylist()
    share = sum(row["emotion"] == "joy" for row in table) / len(table)
    data = read_study_data(study)
    everything = distribution_over_recordings(data, "", np.ones(len(table), bool))
    joy = everything.shares[LABELS.index("joy")]
    assert joy.value == pytest.approx(share) and joy.low < share < joy.high
    assert f"{100 * share:.0f} % ({100 * joy.low:.0f}–{100 * joy.high:.0f})" in text
    assert (
        "recordings 12 utterances 360 participants 12 speakers in recordings 24 minutes 24.4"
        in text
    )
    kind, people = distributions_of_people(data)
    assert kind == "participant"
    for person in people:
        own = [row for row in table if row["participant"] == person.name]
        assert person.utterances == len(own)
        assert person.recordings == len({row["recording"] for row in own}) == 2


def test_doubtful_values_are_counted(study):
    doubts = {item.what: item for item in list_doubts(read_study_data(study))}
    table = pq.read_table(study / "utterances.parquet").to_pylist()
    assert doubts["without sound"].count == sum(not row["present.audio"] for row in table) > 0
    assert doubts["video left out"].count == sum(row["left_out.video"] for row in table) > 0
    assert doubts["sound far from the training data"].count == 3
    assert doubts["perhaps not English"].count == 0
    assert doubts["fewer than 10 utterances"].count == 0
    assert doubts["not analysed"].count == 2 and doubts["not analysed"].total == 14
    uncertain = sum(max(row[f"probability_{name}"] for name in LABELS) < 0.5 for row in table)
    assert doubts["probability below 50%"].count == uncertain > 0


def test_methods_name_versions_model_shuffles_and_sources(study):
    measures = measure_study(study, shuffles=49, seed=7, by="condition")
    methods = describe_methods(read_study_data(study), measures)
    tested = sum(row.p_value is not None for row in measures)
    for part in (
        "360 utterances in 12 recordings", "mmerc (version 9.8.7)", "model mmerc-mini",
        "subtitles in 8, speech in 4 recordings", "49 random orders", "seed 7",
        f"{tested} tests (Holm, 1979)",
        "permuting the conditions",
    ):  # fmt: skip
        assert part in methods.paragraph
    cited = re.findall(r"([A-Z]\w+)(?: et al\.| & [A-Z]\w+|,)?,? \(?(\d{4})", methods.paragraph)
    for name, year in cited:
        assert any(name in item and year in item for item in methods.references), name
    ((name, facts),) = methods.models
    assert name == "mmerc-mini"
    assert facts[0].startswith("model: df-erc, ")
    assert any(fact.startswith("What it was not tested on: Real recordings") for fact in facts)


def test_current_measures_are_used_and_outdated_ones_replaced(tmp_path):
    study = write_study(tmp_path, simulate(1, recordings=3, size=20))
    path = study / "measures.csv"
    write_measures(path, measure_study(study, shuffles=49, seed=3))
    before = path.read_text()
    assert "49 random orders" in write_report(study).read_text()
    assert path.read_text() == before
    os.utime(path, ns=(0, 0))
    assert "2,000 random orders" in write_report(study).read_text()
    assert path.read_text() != before


def test_study_of_one_short_recording_without_columns_has_a_report(tmp_path):
    columns = {"recordings": ["r"], "speakers": ["A"], "emotions": ["joy"]}
    text = text_of(write_report(write_study(tmp_path, columns)).read_text())
    assert "Emotions by speaker" in text and "A (r)" in text
    assert "joy 100 %" in text
    assert "fewer than 10 utterances 100 % 1 of 1 recordings" in text


def test_study_without_utterances_is_refused(tmp_path):
    columns = {"recordings": [], "speakers": [], "emotions": []}
    with pytest.raises(InputError, match="has no utterances"):
        write_report(write_study(tmp_path, columns))


def test_heat_map_cells_show_the_difference_from_chance(study):
    measures = measure_study(study, shuffles=199)
    cells = heat_cells(LABELS, measures)
    by_pair = {(m.emotion, m.next_emotion): m for m in measures if m.measure == "transition"}
    for one, row in zip(LABELS, cells, strict=True):
        for other, cell in zip(LABELS, row, strict=True):
            measure = by_pair[one, other]
            assert cell["text"] == f"{100 * measure.value:.0f}"
            if abs(measure.effect) >= 0.08:
                assert cell["kind"].startswith("more3" if measure.effect > 0 else "less3")


def test_shares_over_time_use_nearby_utterances(tmp_path):
    size = 200
    columns = {
        "recordings": ["r"] * size, "speakers": ["A"] * size,
        "emotions": ["joy"] * (size // 2) + ["sadness"] * (size // 2),
    }  # fmt: skip
    data = read_study_data(write_study(tmp_path, columns))
    shares = shares_over_time(data, np.ones(size, bool))
    joy, sadness = LABELS.index("joy"), LABELS.index("sadness")
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[0, joy] == pytest.approx(1, abs=1e-6)
    assert shares[30, joy] == pytest.approx(0.5, abs=0.01)
    assert shares[-1, sadness] == pytest.approx(1, abs=1e-6)


def test_time_is_relative_to_the_recording(tmp_path):
    columns = {"recordings": ["r"] * 2, "speakers": ["A"] * 2, "emotions": ["joy"] * 2}
    study = write_study(tmp_path, columns, start=[10.0, None], end=[20.0, None])
    pq.write_table(
        pa.table({"recording": ["r"], "duration": [100.0]}), study / "recordings.parquet"
    )
    assert read_study_data(study).time.tolist() == [0.15, 0.75]


def test_wilson_interval():
    """Newcombe (1998), Table I: 81 of 263, 15 of 148, 0 of 20."""
    for count, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)):
        share = wilson(count, total)
        assert (round(share.low, 4), round(share.high, 4)) == (low, high)
    assert wilson(0, 20).low == 0 and wilson(0, 20).high == pytest.approx(0.1611, abs=5e-5)


def test_figures_have_the_right_proportions():
    bar = stacked_bar([0.25, 0.0, 0.75])
    assert re.findall(r'class="c(\d)" x="([\d.]+)" width="([\d.]+)"', bar) == [
        ("0", "0", "25"), ("2", "25", "75"),
    ]  # fmt: skip
    dot = whisker(0.2, 0.1, 0.3, limit=0.4, band=(0.0, 0.1), label=1)
    assert 'class="interval" x1="26" x2="74"' in dot
    assert 'class="dot s1" x1="50" x2="50"' in dot
    assert 'class="chance" x="2" y="1" width="24"' in dot
    drawn = river(np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert 'class="c0" points="0,150 600,150 600,0 0,75"' in drawn
