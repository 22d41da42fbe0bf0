"""Corrections as events: effects, undo, conflicts, and the corrected results."""

import sqlite3
from dataclasses import replace

import pytest
from talk import ANALYSIS, PREDICTIONS

from mmerc.annotation.rater_files import read_raters
from mmerc.errors import InputError
from mmerc.inference.analysis import Marks
from mmerc.inference.correction.correction_log import ConflictError, CorrectionLog
from mmerc.inference.correction.edited_results import (
    build_edited_analysis,
    list_corrections,
    write_edited_results,
)
from mmerc.inference.correction.edits import EDITS
from mmerc.inference.correction.predict_again import predict_again
from mmerc.inference.correction.stored_analysis import load_analysis
from mmerc.inference.pipeline.pipeline import Pipeline

SOUP = PREDICTIONS[3].text
PREDICTIONS_BY_ID = {item.id: item for item in PREDICTIONS}


@pytest.fixture
def log(tmp_path):
    """The log of an analysis with doubtful words and a different voice in one line."""
    marks = {"3": Marks(overlap=0.5, doubtful=((0, 2),))}
    return CorrectionLog(tmp_path / "c.sqlite", replace(ANALYSIS, marks=marks))


def edit(log, kind, *, rater="Ann", revision=None, key="", **values):
    return log.append(
        EDITS.validate_python({"kind": kind, **values}), rater=rater, revision=revision, key=key
    )


def line(log, key="3"):
    return log.lines.lines[key]


def test_each_edit_changes_its_line(log):
    edit(log, "label", id="3", label="anger")
    edit(log, "text", id="3", text="Oh yes.")
    edit(log, "times", id="3", start=10.5, end=11.0)
    edit(log, "speaker", id="3", speaker=" Ines ", rater="Ben")
    edit(log, "exclude", id="4", excluded=True)
    now = line(log)
    assert (now.label, now.text, now.start, now.end) == ("anger", "Oh yes.", 10.5, 11.0)
    assert (now.speaker, now.marks, now.is_stale) == ("Ines", Marks(), True)
    authors = {name: author.rater for name, author in now.authors.items()}
    assert authors == dict.fromkeys(("label", "text", "start", "end"), "Ann") | {"speaker": "Ben"}
    assert line(log, "4").excluded and not line(log, "5").authors


def test_renaming_everywhere_does_not_change_voices(log):
    edit(log, "speaker", id="3", speaker="Jonathan", everywhere=True)
    own = [key for key in log.lines.order if line(log, key).speaker == "Jonathan"]
    assert own == [item.id for item in PREDICTIONS if item.speaker == "Jonas"]
    assert not line(log).is_stale and line(log).marks.overlap == 0.5
    edit(log, "speaker", id="3", speaker="Ines", everywhere=True)
    assert line(log).is_stale and line(log).marks.overlap is None


def test_split_and_merge_are_inverse_except_for_spaces(log):
    edit(log, "split", id="3", character=7)
    assert log.lines.order[3:5] == ["3", "3.1"]
    first, second = line(log), line(log, "3.1")
    assert (first.text, second.text) == ("Oh no.", "Not the soup.")
    assert first.start == 10.6 and first.end == second.start == 11.09 and second.end == 12.0
    edit(log, "merge", id="3", other="3.1")
    assert (line(log).text, line(log).start, line(log).end) == (SOUP, 10.6, 12.0)
    assert "3.1" not in log.lines.lines and not line(log).is_stale
    edit(log, "split", id="3", character=7, time=11.5)
    assert line(log, "3.3").start == 11.5


def test_doubts_about_words_survive_a_split_and_a_merge(log):
    edit(log, "split", id="3", character=7)
    assert line(log).marks == Marks(doubtful=((0, 2),)) and line(log, "3.1").marks == Marks()
    edit(log, "merge", id="3", other="3.1")
    assert line(log).marks == Marks(doubtful=((0, 2),))
    edit(log, "split", id="3", character=1)
    edit(log, "merge", id="3", other="3.3")
    assert line(log).text == f"O h{SOUP[2:]}"
    assert line(log).marks.doubtful == ((0, 1), (2, 3))
    before = line(log, "2").text
    edit(log, "merge", id="2", other="3")
    start = len(before) + 1
    assert line(log, "2").marks.doubtful == ((start, start + 1), (start + 2, start + 3))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("no words", "no words", "no words"),
        ("no words", None, "no words"),
        (None, "no words", None),
    ],
)
def test_merged_line_keeps_the_doubts_about_its_label(tmp_path, first, second, expected):
    marks = {"3": Marks(label=first), "4": Marks(label=second)}
    log = CorrectionLog(tmp_path / "c.sqlite", replace(ANALYSIS, marks=marks))
    edit(log, "merge", id="3", other="4")
    assert line(log).prediction.label == PREDICTIONS_BY_ID["3"].label
    assert line(log).marks.label == expected
    assert build_edited_analysis(log).marks.get("3", Marks()).label == expected
    edit(log, "undo", number=1)
    edit(log, "label", id="3", label="anger")
    edit(log, "merge", id="3", other="4")
    assert line(log).marks.label is None


@pytest.mark.parametrize(
    ("doubtful", "change", "expected"),
    [
        (((0, 20),), {"kind": "times", "start": 10.5, "end": 12.5}, "doubtful words"),
        (((0, 2),), {"kind": "times", "start": 10.5, "end": 12.5}, None),
        (((0, 20),), {"kind": "text", "text": "yes they went"}, None),
        ((), {"kind": "text", "text": ""}, "no words"),
    ],
)
@pytest.mark.parametrize("labelled", [False, True])
def test_label_predicted_again_is_as_doubtful_as_its_words(
    tmp_path, make_model, doubtful, change, expected, labelled
):
    model = make_model("text-only", tokens=True, labels=ANALYSIS.labels, widths={})
    pipeline = Pipeline(model=model, name="small", extractors={})
    marks = {"3": Marks(doubtful=doubtful, label="doubtful words")}
    log = CorrectionLog(tmp_path / "c.sqlite", replace(ANALYSIS, marks=marks))
    if labelled:
        edit(log, "label", id="3", label="anger")
    edit(log, **change, id="3")
    assert predict_again(log, pipeline) == 1
    assert line(log).marks.label == (None if labelled else expected)


@pytest.mark.parametrize(
    ("kind", "values", "problem"),
    [
        ("label", {"label": "envy"}, "'envy' is not one of the labels; use one of neutral"),
        ("times", {"start": 3.0, "end": 3.0}, "not after its start"),
        ("times", {"start": 3.0, "end": 119.0}, "past the end of the recording"),
        ("split", {"character": 300}, "leave one side"),
        ("split", {"character": 7, "time": 12.0}, "not between its start and its end"),
        ("merge", {"other": "5"}, "not the one that follows"),
        ("label", {"id": "99", "label": "joy"}, "line '99': does not exist"),
        ("undo", {"number": 1}, "correction 1: cannot be undone"),
    ],
)
def test_mismatch_is_refused_and_changes_nothing(log, kind, values, problem):
    before = dict(log.lines.lines)
    with pytest.raises(InputError, match=problem):
        edit(log, kind, **({} if kind == "undo" else {"id": "3"}) | values)
    log.refresh()
    assert log.revision == 0 and log.lines.lines == before


def test_undo_and_redo_are_logged_as_corrections(log):
    before = dict(log.lines.lines)
    edit(log, "split", id="3", character=7)
    edit(log, "label", id="3.1", label="joy")
    with pytest.raises(ConflictError) as caught:
        edit(log, "undo", number=1)
    assert [item.number for item in caught.value.corrections] == [2]
    edit(log, "undo", number=2)
    edit(log, "undo", number=1)
    assert log.lines.lines == before and len(log.lines.order) == 25
    edit(log, "redo", number=1)
    assert log.lines.order[3:5] == ["3", "3.1"] and line(log, "3.1").label is None
    with pytest.raises(InputError, match="correction 1: is not undone"):
        edit(log, "redo", number=1)
    assert build_edited_analysis(log).predictions[4].id == "3.1"
    rows = list_corrections(log).splitlines()
    assert len(rows) == 6 and rows[2].endswith(",label,3.1,joy,True")


def test_second_rater_of_a_line_is_notified(log):
    edit(log, "label", id="3", label="anger", revision=0)
    edit(log, "label", id="4", label="fear", revision=0, rater="Ben")  # another line
    with pytest.raises(ConflictError) as caught:
        edit(log, "text", id="3", text="Hm.", revision=0, rater="Ben")
    assert caught.value.corrections[0].author.rater == "Ann"
    assert log.revision == 2 and line(log).text == SOUP
    edit(log, "text", id="3", text="Hm.", revision=2, rater="Ben")
    with pytest.raises(ConflictError):  # one of the speaker's lines was changed by Ben
        edit(log, "speaker", id="1", speaker="Jo", everywhere=True, revision=2)


def test_blind_labels_of_two_raters_stay_separate(log, tmp_path):
    for rater, label in (("Ann", "anger"), ("Ben", "joy")):
        edit(log, "label", id="3", label=label, blind=True, revision=0, rater=rater)
    edit(log, "label", id="5", label="fear", rater="Ann")
    assert line(log).ratings == {"Ann": "anger", "Ben": "joy"}
    edit(log, "undo", number=1)
    assert line(log).ratings == {"Ben": "joy"}
    edit(log, "redo", number=1)
    assert line(log).ratings == {"Ann": "anger", "Ben": "joy"}
    write_edited_results(log, tmp_path / "out", stem="talk")
    raters = read_raters([tmp_path / "out" / "talk.labels.csv"])
    labels = {name: {item.id: item.label for item in own} for name, own in raters.items()}
    assert labels == {"Ann": {"3": "anger", "5": "fear"}, "Ben": {"3": "joy"}}


def test_log_survives_other_processes_and_repeated_requests(log):
    other = CorrectionLog(log.path, log.analysis)
    edit(log, "label", id="3", label="joy", key="same-key-1")
    edit(other, "label", id="4", label="fear", revision=1)
    assert edit(log, "label", id="3", label="joy", key="same-key-1").number == 1
    assert other.revision == log.revision == 2 and other.lines.lines == log.lines.lines
    for statement in ("DELETE FROM corrections", "UPDATE corrections SET rater = 'Ben'"):
        with (
            sqlite3.connect(log.path) as database,
            pytest.raises(sqlite3.IntegrityError, match="never"),
        ):
            database.execute(statement)


def test_corrections_of_another_analysis_are_refused(log):
    other = replace(ANALYSIS, predictions=PREDICTIONS[:3])
    with pytest.raises(InputError, match="corrections of another analysis"):
        CorrectionLog(log.path, other)
    log.path.write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(InputError, match="not a file of corrections"):
        CorrectionLog(log.path, ANALYSIS)
    twice = replace(ANALYSIS, predictions=(*PREDICTIONS, PREDICTIONS[0]))
    with pytest.raises(InputError, match="ids of its lines occur twice"):
        CorrectionLog(log.path.with_name("d.sqlite"), twice)


def test_all_results_contain_the_corrections(log, tmp_path):
    edit(log, "label", id="3", label="anger")
    edit(log, "label", id="5", label=PREDICTIONS[5].label)
    edit(log, "exclude", id="0", excluded=True)
    edit(log, "times", id="4", start=1.0, end=1.5, rater="Ben")
    paths = write_edited_results(log, tmp_path / "out", stem="talk")
    assert [path.name for path in paths[-2:]] == ["talk.corrections.csv", "talk.labels.csv"]
    stored = load_analysis(tmp_path / "out").analysis
    assert [item.id for item in stored.predictions[:3]] == ["4", "1", "2"]
    by_id = {item.id: item for item in stored.predictions}
    assert (by_id["3"].label, by_id["3"].predicted_label) == ("anger", "sadness")
    assert (by_id["3"].corrections, by_id["5"].corrections) == ("label", "")
    assert by_id["5"].corrected_by == "Ann" and by_id["4"].corrections == "start, end"
    assert stored.remarks[1:] == (
        "Corrected by people: Ann 1 x exclude, Ann 2 x label, Ben 1 x times.",
        "1 of 25 utterances were excluded by people.",
        "The predictions of 1 utterances are older than corrections of their words, speaker or "
        "times.",
    )


def test_only_changed_lines_are_predicted_again(tmp_path, make_model):
    model = make_model("text-only", tokens=True, labels=ANALYSIS.labels, widths={})
    pipeline = Pipeline(model=model, name="small", extractors={})
    log = CorrectionLog(tmp_path / "c.sqlite", replace(ANALYSIS, duration=None))
    assert predict_again(log, pipeline) == 0
    edit(log, "text", id="3", text="yes they went")
    edit(log, "split", id="5", character=16)
    edit(log, "label", id="7", label="joy")
    edit(log, "exclude", id="1", excluded=True)
    edit(log, "text", id="1", text="no")
    assert predict_again(log, pipeline) == 3
    assert [key for key in log.lines.order if line(log, key).is_stale] == ["1"]
    assert {key for key in log.lines.order if line(log, key).prediction != PREDICTIONS_BY_ID[
        key.split(".")[0]
    ]} == {"3", "5", "5.2"}  # fmt: skip
    assert line(log).prediction.conversation == "c" and predict_again(log, pipeline) == 0
    assert CorrectionLog(log.path, log.analysis).lines.lines == log.lines.lines
    edit(log, "undo", number=1)
    assert line(log).is_stale and line(log).text == SOUP
    other = replace(pipeline, model=make_model("text-only", tokens=True, widths={}))
    with pytest.raises(InputError, match="has other labels than the analysis"):
        predict_again(log, other)
