"""Numbers of the tables, compared with values computed by hand."""

import math

import pytest

from mmerc.studies.resampling import wilson_interval
from mmerc.studies.study_recordings import StudyRecording
from mmerc.studies.table_columns import TableLayout, infer_kind
from mmerc.studies.table_rows import RecordingRows
from mmerc.studies.table_writer import _format_cell


def prediction(number, speaker, label, *, start=None, conversation="c"):
    calm = 0.75 if label == "calm" else 0.25
    missing = dict.fromkeys(("text", "audio", "video"))
    return {
        "conversation": conversation, "id": str(number), "speaker": speaker, "text": "well yes",
        "start": start, "end": None if start is None else start + 1.5, "label": label,
        "probabilities": {"calm": calm, "glad": 1 - calm}, "weights": missing, "effects": missing,
        "similarity": None, "context_weight": None, "context_effect": None, "layer_weights": {},
        "left_out": dict.fromkeys(missing, False),
    }  # fmt: skip


def rows(predictions, tmp_path, *, participant=None, **settings):
    record = {
        "labels": ["calm", "glad"], "absent": {"2": {"audio": "silence"}}, "model": "m",
        "modalities": ["text", "audio"], "file": "a.mp4", "duration": 9.0, "mmerc": "0",
        "words_from": "speech", "remarks": [],
    }  # fmt: skip
    recording = StudyRecording(name="a", file=tmp_path / "a.mp4", **settings)
    columns = {"participant": participant}
    return RecordingRows(
        recording=recording, columns=columns, record=record, predictions=predictions
    )


def test_speakers(tmp_path):
    said = [
        prediction(1, "B", "calm", start=0.0), prediction(2, "A", "calm", start=2.0),
        prediction(3, "A", "glad", start=4.0), prediction(4, "A", "glad", start=6.0),
    ]  # fmt: skip
    first, second = rows(said, tmp_path).speakers()
    assert (first["speaker"], first["utterances"], first["words"]) == ("A", 3, 6)
    assert first["speaking_time"] == 4.5
    assert first["share_glad"] == pytest.approx(2 / 3)
    assert first["mean_probability_glad"] == pytest.approx((0.25 + 0.75 + 0.75) / 3, abs=1e-6)
    assert first["entropy"] == pytest.approx(math.log2(3) - 2 / 3, abs=1e-6)
    assert (second["speaker"], second["entropy"]) == ("B", 0.0)
    whole = next(rows(said, tmp_path).recordings())
    assert whole["remarks"] == ""
    doubtful = next(rows(said, tmp_path, participant="p1").recordings())
    assert doubtful["remarks"].startswith("Participant p1 counts as all 2 speakers")
    assert (whole["absent_text"], whole["absent_audio"], whole["absent_video"]) == (0.0, 0.25, 1.0)


def test_set_columns_exist_only_on_request(tmp_path):
    asked = prediction(1, "A", "calm") | {"emotions": ["calm", "glad"], "unsure": False}
    (row,) = rows([asked], tmp_path).utterances()
    assert (row["emotions"], row["unsure"]) == ("calm|glad", False)
    (row,) = rows([prediction(1, "A", "calm")], tmp_path).utterances()
    assert (row["emotions"], row["unsure"]) == (None, None)
    columns = {
        sets: [
            column.name
            for column in TableLayout(further={}, labels=(), layers=(), sets=sets).utterances
        ]
        for sets in (False, True)
    }
    assert set(columns[True]) - set(columns[False]) == {"emotions", "unsure"}


def test_wilson_interval():
    # scipy.stats.binomtest(7, 20).proportion_ci(method="wilson")
    assert wilson_interval(7 / 20, 20) == pytest.approx((0.181192, 0.567146), abs=1e-5)
    assert wilson_interval(0.0, 5)[0] == 0.0
    assert wilson_interval(1.0, 5)[1] == 1.0


def test_transitions_stay_within_conversations_and_skip_excluded_parts(tmp_path):
    said = [
        prediction(1, "A", "calm", start=0.0), prediction(2, "B", "glad", start=2.0),
        prediction(3, "A", "calm", start=4.0), prediction(4, "B", "calm", start=6.0),
        prediction(5, "A", "glad", start=20.0), prediction(1, "B", "glad", conversation="d"),
    ]  # fmt: skip
    between = list(rows(said, tmp_path, exclude=((8.0, 19.0),)).transitions())
    assert [(row["from_speaker"], row["to_speaker"], row["to_emotion"]) for row in between] == [
        ("A", "B", "calm"), ("A", "B", "glad"), ("B", "A", "calm"),
    ]  # fmt: skip
    assert [row["conditional_probability"] for row in between] == [0.5, 0.5, 1.0]
    assert len(list(rows(said, tmp_path).transitions())) == 4


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-20"], "integer"), (["1", "2.5", "1e-3"], "number"), (["1", "01"], "text"),
        (["1", "n/a"], "text"), (["yes", "no"], "text"), (["1" * 30], "number"),
    ],
)  # fmt: skip
def test_types_of_additional_columns(values, kind):
    assert infer_kind(values) == kind


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""), (-0.5, "-0.5"), ("-0.5", "'-0.5"), ("@SUM(1)", "'@SUM(1)"), ("a,b", '"a,b"'),
        ('say "yes"', '"say ""yes"""'), ("two\rlines", '"two\rlines"'), (False, "False"),
        ("\t=1", "'\t=1"), ("plain", "plain"),
    ],
)  # fmt: skip
def test_formulas_are_escaped_for_spreadsheets(value, cell):
    assert _format_cell(value) == cell
