import json
import re

import pytest
from very_small import ROWS, SMALL

from mmerc.errors import InputError
from mmerc.evaluation.comparison import compare_runs
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.reproduction import training
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.reproduce import reproduce
from mmerc.experiments.reproduction.workspace import _folder_name

FULL = OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def runs(finished, small_corpus):
    """Folder of each row's run, by the row's name."""
    plan = make_plan("df-erc-table2", small_corpus, PlanOptions(rows=ROWS, changes=SMALL))
    return {name: finished / "runs" / _folder_name(r) for name, r in plan.recipes.items()}


def results(run):
    return json.loads((run / "result.json").read_text())


def cells(markdown, title, row):
    """Cells of a table row of the report."""
    part = markdown.split(f"## {title}\n")[1].split("\n## ")[0]
    line = next(line for line in part.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def states(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_report_matches_the_runs(finished, runs):
    text = (finished / "df-erc-table2" / "report.md").read_text()
    for name, run in runs.items():
        actual = results(run)["summary"]["test"]["weighted_f1"]
        score = cells(text, "Scores", name)
        assert score[3] == f"{actual['mean']:.2f} ± {actual['std']:.2f}"
        assert score[4] == "{:.2f} to {:.2f}".format(*actual["interval"])
        assert score[6] == "2"
    assert cells(text, "Scores", "DF-ERC")[1:3] == ["67.03", "68.28"]


def test_differences_are_tested_against_the_baseline(finished, runs):
    text = (finished / "df-erc-table2" / "report.md").read_text()
    predictions = {
        name: [Predictions.load(run / f"seed-{n}" / "predictions-test.parquet") for n in (0, 1)]
        for name, run in runs.items()
    }
    for versus in compare_runs(predictions):
        row = cells(text, "Differences from DF-ERC", versus.name)
        assert row[2] == f"{versus.bootstrap.difference:+.2f}"
        assert row[5] == f"{versus.adjusted:.4f}"
    assert cells(text, "Differences from DF-ERC", "-DDM")[1] == "-1.44"


def test_signs_are_compared_with_the_paper(finished, read_csv):
    rows = read_csv(finished / "df-erc-table2" / "figures" / "differences.csv")
    for row in rows[1:]:
        difference = float(row["difference"])
        expected = (
            "" if difference == 0 else str((difference < 0) == (float(row["paper_difference"]) < 0))
        )
        assert row["same_sign"] == expected


def test_report_contains_classes_and_time(finished, runs, small_corpus, read_csv):
    text = (finished / "df-erc-table2" / "report.md").read_text()
    seeds = results(runs["-DDM"])["seeds"]
    for place, label in enumerate(small_corpus.labels, start=1):
        values = [seed["test"]["per_class_f1"][label] for seed in seeds]
        known = [value for value in values if value is not None]
        actual = cells(text, "F1 by class", "-DDM")[place]
        assert actual == (f"{sum(known) / len(known):.2f}" if known else "")
    assert "1 thread, 32-true" in cells(text, "Hardware and time", "-DDM")[2]
    seconds = [
        float(row["seconds"])
        for run in runs.values()
        for path in run.glob("seed-*/history.csv")
        for row in read_csv(path)
    ]
    assert cells(text, "Hardware and time", "all")[5] == f"{sum(seconds) / 60:.1f}"


def test_page_is_self_contained(finished):
    page = (finished / "df-erc-table2" / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script" not in page
    assert page.count("<img ") == 4
    assert "-Utterance" in page


def test_figures_come_as_png_svg_and_csv(finished):
    folder = finished / "df-erc-table2" / "figures"
    names = {path.stem for path in folder.iterdir()}
    assert names == {"scores", "differences", "curves", "confusions"}
    for name in names:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"{name}.svg").read_text()
        assert (folder / f"{name}.csv").stat().st_size


def test_report_contains_no_utterance_text(finished, small_corpus):
    said = {
        utterance.text
        for conversations in small_corpus.splits.values()
        for conversation in conversations
        for utterance in conversation.utterances
        if len(utterance.text.split()) > 2
    }
    assert said
    for path in (finished / "df-erc-table2").rglob("*"):
        if path.suffix in {".html", ".md", ".csv", ".svg"}:
            text = path.read_text()
            assert not [sentence for sentence in said if sentence in text], path


def test_differences_from_the_papers_corpus_and_encoders_are_stated(finished):
    text = (finished / "df-erc-table2" / "report.md").read_text()
    assert "The paper did not use this corpus" in text
    assert "RoBERTa-large" in text
    assert "audio as stored vectors (random, 7 wide)" in text


def test_second_call_trains_nothing(finished, make_settings, corpus_folder):
    before = states(finished / "runs")
    lines = []
    reproduce("df-erc-table2", make_settings(corpus_folder, finished, rows=ROWS, lines=lines))
    after = states(finished / "runs")
    assert lines == ["0 of 8 trainings remain"]
    changed = {path for path in before if before[path] != after[path]}
    assert {path.name for path in changed} <= {"result.json"}


def test_another_folder_reuses_finished_seeds_from_the_cache(
    finished, make_settings, corpus_folder, tmp_path
):
    lines = []
    settings = make_settings(corpus_folder, tmp_path / "out", rows=("-DDM",), lines=lines)
    reproduce("df-erc-table2", settings)
    assert sum(line.endswith("taken from the cache") for line in lines) == 4
    one, other = (out / "df-erc-table2/figures/curves.csv" for out in (finished, tmp_path / "out"))
    assert set(other.read_text().splitlines()) <= set(one.read_text().splitlines())
    text = (tmp_path / "out" / "df-erc-table2" / "report.md").read_text()
    assert "not recorded" not in text


@pytest.mark.parametrize("target", ["df-erc-figure6", "df-erc-figure7", "df-erc-figure11"])
def test_new_figure_needs_no_training(finished, report_only, monkeypatch, target):
    monkeypatch.setattr(training, "finish_seed_with_machine", lambda job: pytest.fail("trained"))
    before = {path for path in states(finished / "runs") if "inside" not in path.name}
    predictions = report_only(target, finished)
    assert (predictions.folder / "report.html").is_file()
    assert {p for p in states(finished / "runs") if "inside" not in p.name} == before


def test_full_disk_loses_no_results(make_settings, corpus_folder, tmp_path, monkeypatch):
    saved = Predictions.save

    def save(self, path):
        if len(list((tmp_path / "out").rglob("seed.json"))) == 2:
            raise InputError(path, "cannot be written (no space left on device)", "free space")
        saved(self, path)

    settings = make_settings(corpus_folder, tmp_path / "out", rows=("-DDM",), use_cache=False)
    with monkeypatch.context() as patched:
        patched.setattr(Predictions, "save", save)
        with pytest.raises(InputError, match="no space left"):
            reproduce("df-erc-table2", settings)
    kept = {p: n for p, n in states(tmp_path / "out" / "runs").items() if "model" in str(p)}
    assert len({p.parent.parent for p in kept}) == 2
    lines = []
    again = make_settings(
        corpus_folder, tmp_path / "out", rows=("-DDM",), use_cache=False, lines=lines
    )
    assert reproduce("df-erc-table2", again)["df-erc-table2"].rows
    assert lines[0] == "2 of 4 trainings remain"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_every_target_a_corpus_allows(make_settings, corpus_folder, tmp_path, monkeypatch):
    from mmerc.experiments.reproduction import reproduce as module

    requested = {"df-erc-figure6", "df-erc-figure7", "multiemo-table1", "df-erc-decisions"}
    files = {name: file for name, file in module.target_files().items() if name in requested}
    monkeypatch.setattr(module, "target_files", lambda path: files)
    lines = []
    predictions = reproduce(
        "all", make_settings(corpus_folder, tmp_path / "out", seeds=1, lines=lines)
    )
    assert list(predictions) == ["df-erc-figure6", "df-erc-figure7"]
    assert "left out: multiemo-table1: multiemo-table1 is for iemocap" in lines[0]
    assert "3 of 3 trainings" in lines[1]
