"""``mmerc study measures`` and ``mmerc study report``."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

LABELS = ("calm", "cross")


@pytest.fixture
def study(tmp_path):
    """Four recordings of two speakers; in two of them, speakers keep their emotion."""
    generator = np.random.default_rng(1)
    rows = {"recording": [], "speaker": [], "emotion": [], "condition": []}
    for number in range(4):
        emotion = 0
        for turn in range(80):
            if number % 2 or turn % 8 == 0:
                emotion = int(generator.integers(2))
            rows["recording"].append(f"r{number}")
            rows["speaker"].append("AB"[turn % 2])
            rows["emotion"].append(LABELS[emotion])
            rows["condition"].append(["steady", "mixed"][number % 2])
    for name in LABELS:
        rows[f"probability_{name}"] = [0.9 if name == e else 0.1 for e in rows["emotion"]]
    folder = tmp_path / "study"
    folder.mkdir()
    pq.write_table(pa.table(rows), folder / "utterances.parquet")
    return folder


def test_measures_are_written_and_printed(mmerc, study):
    outcome = mmerc("study", "measures", study, "--shuffles", 499, "--by", "condition")
    assert outcome.code == 0 and outcome.err == ""
    assert "inertia" in outcome.out and "calm > cross" in outcome.out
    assert "steady against mixed:" in outcome.out
    assert outcome.out.splitlines()[-1] == str(study / "measures.csv")
    with open(study / "measures.csv", encoding="utf-8", newline="") as file:
        rows = {
            (row["measure"], row["emotion"], row["condition"]): row for row in csv.DictReader(file)
        }
    inertia = rows["inertia", "", ""]
    assert float(inertia["effect"]) > 0.05 and float(inertia["p_value"]) < 0.05
    assert (inertia["shuffles"], inertia["seed"], inertia["null"]) == ("499", "0", "permuted")
    assert rows["contagion", "", ""]["null"] == "shifted"
    assert float(rows["inertia above chance", "", "steady"]["effect"]) > 0


def test_output_depends_on_the_seed_only(mmerc, study):
    files = []
    for seed in (0, 0, 1):
        assert mmerc("study", "measures", study, "--shuffles", 199, "--seed", seed).code == 0
        files.append((study / "measures.csv").read_bytes())
    assert files[0] == files[1] != files[2]


def test_too_few_shuffles_are_noted_and_json_is_printed(mmerc, study):
    outcome = mmerc("study", "measures", study, "--shuffles", 99, "--json")
    note = "note: with 99 shuffles no corrected p value can be below 0.05; use --shuffles "
    assert outcome.err.startswith(note)
    measures = json.loads(outcome.out)["measures"]
    assert {row["measure"] for row in measures} == {
        "share", "entropy", "inertia", "contagion", "transition",
    }  # fmt: skip


def test_report_is_written(mmerc, study):
    outcome = mmerc("study", "report", study)
    assert (outcome.code, outcome.out) == (0, f"{study / 'report.html'}\n")
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "Emotions by condition" in page and "steady against mixed" in page
    assert (study / "measures.csv").is_file()


@pytest.mark.parametrize("command", ["measures", "report"])
def test_folder_without_a_study_gives_a_one_sentence_error(mmerc, tmp_path, command):
    outcome = mmerc("study", command, tmp_path)
    assert outcome.code == 1
    path = tmp_path / "utterances.parquet"
    fix = "analyse a folder with --out first"
    assert outcome.err == f"mmerc: {path}: no such file; {fix}.\n"


def test_unknown_column_gives_a_one_sentence_error(mmerc, study):
    outcome = mmerc("study", "measures", study, "--by", "mood")
    assert outcome.code == 2
    assert outcome.err == "mmerc: --by 'mood': the study has no such column in study.yaml.\n"
