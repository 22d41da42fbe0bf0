import json

import pytest
from folders import assert_files


@pytest.fixture
def reproduce(mmerc, trimodal_corpus, tmp_path):
    """``mmerc reproduce`` of a target on the trimodal corpus."""

    def call(target, *options):
        arguments = ("--corpus", trimodal_corpus, "--out", tmp_path / "out")
        return mmerc("reproduce", target, *arguments, *options)

    return call


def test_list_shows_the_targets(done):
    lines = done("reproduce", "--list").out.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("df-erc-table2 "))
    assert lines[place].split(maxsplit=1)[1].strip() == "Ablation of DDM, CFM and CRM"
    assert lines[place + 1].strip() == "12 rows of text, audio, video"
    actual = {item["name"]: item for item in done("reproduce", "--list", "--json").json}
    assert actual["df-erc-table2"]["rows"] == 12
    assert actual["df-erc-table2"]["modalities"] == ["text", "audio", "video"]
    assert "whisper-tiny" in actual["dq-former-table3"]["encoders"]["composed"]
    assert list(actual["multiemo-table1"]["encoders"]) == ["iemocap"]


def test_quick_run_of_a_target(reproduce, tmp_path):
    outcome = reproduce("df-erc-table2", "--quick", "--row", "-CFM", "--json")
    assert outcome.code == 0, outcome.err
    predictions = outcome.json["df-erc-table2"]
    assert [row["row"] for row in predictions["rows"]] == ["DF-ERC", "-CFM"]
    assert predictions["rows"][1]["seeds"] == 1
    report = (tmp_path / "out" / "df-erc-table2" / "report.md").read_text()
    assert "--quick" in report
    table = reproduce("df-erc-table2", "--quick", "--row", "-CFM", "--report-only")
    assert table.err == ""
    assert table.out.splitlines()[0] == "df-erc-table2:"
    ablated = next(line for line in table.out.splitlines() if line.startswith("-CFM"))
    assert ablated.split()[3:] == ["-1.54", f"{predictions['rows'][1]['difference']:+.2f}"]
    assert table.out.splitlines()[-1].endswith("report.html")
    assert len(json.loads((tmp_path / "out" / "reproduction.json").read_text())["code"]) == 64


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "Name a target and its --corpus"),
        (["df-erc-table2"], "Name a target and its --corpus"),
        (["df-erc-table9", "--corpus", "CORPUS"], "No target is called"),
        (["df-erc-table2", "--corpus", "CORPUS", "--seeds", "0"], "--seeds"),
        (["df-erc-table2", "--corpus", "CORPUS", "--engine", "steam"], "--engine"),
        (["df-erc-table2", "--corpus", "CORPUS", "--row", "x"], "no row 'x'"),
        (["all", "--corpus", "CORPUS", "--row", "x"], "name the target instead of all"),
        (["dq-former-table3", "--corpus", "CORPUS"], "not for trimodal"),
    ],
)
def test_invalid_calls_are_refused(mmerc, trimodal_corpus, tmp_path, arguments, named):
    given = [trimodal_corpus if argument == "CORPUS" else argument for argument in arguments]
    outcome = mmerc("reproduce", *given, "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (2, "")
    assert named in outcome.sentence
    assert_files(tmp_path, [])


def test_missing_corpus(mmerc, tmp_path):
    arguments = ("--corpus", tmp_path / "none", "--out", tmp_path / "out")
    outcome = mmerc("reproduce", "df-erc-table2", *arguments)
    assert outcome.code == 1
    assert "not a prepared corpus" in outcome.sentence
    assert_files(tmp_path, [])


def test_text_only_corpus(mmerc, example_corpus, tmp_path):
    arguments = ("--corpus", example_corpus, "--out", tmp_path / "out")
    outcome = mmerc("reproduce", "df-erc-table2", *arguments)
    assert outcome.code == 1
    assert "it has no text vectors, which df-erc-table2 needs" in outcome.sentence
    assert_files(tmp_path, [])
