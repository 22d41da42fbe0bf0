import csv
import io
import json

import pytest
from talk import ANALYSIS

from mmerc.inference.exports.utterance_rows import _summarise_reasons, as_text
from mmerc.inference.formats import ANALYSIS_FORMATS, PREDICTION_FORMATS
from mmerc.prediction.utterance_prediction import UtterancePrediction

AWKWARD = [
    "a, b; c",
    'she said "no", twice',
    "one\ntwo",
    "one\r\ntwo\rthree",
    "one\rtwo",
    "semi\u2028separator \x85 \x0b",
    "שלום, مرحبا 😊 e\u0301",
    "=1+1",
    " spaces ",
    "\ttab",
    "",
    "null",
    "'",
]
COLUMNS = [
    "conversation", "id", "speaker", "text", "start", "end", "label", "probabilities.sad",
    "probabilities.glad", "probabilities.so, so", "weights.text", "weights.audio", "weights.video",
    "similarity", "context_weight", "effects.text", "effects.audio", "effects.video",
    "context_effect",
]  # fmt: skip


def prediction(**changes):
    values = {
        "conversation": "c-1",
        "id": "1",
        "speaker": "Ada",
        "text": "Well.",
        "start": 1.5,
        "end": None,
        "label": "sad",
        "probabilities": {"sad": 0.7, "glad": 0.2, "so, so": 0.1},
        "weights": {"text": 0.6, "audio": 0.4, "video": None},
        "similarity": 0.5,
        "context_weight": 0.25,
        "effects": {"text": 0.41, "audio": -0.03, "video": None},
        "context_effect": 0.002,
    }
    return UtterancePrediction(**values | changes)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_json_line_matches_the_contract():
    line = PREDICTION_FORMATS["jsonl"]([prediction()])
    assert line.endswith("}\n")
    value = json.loads(line)
    assert list(value) == [
        "conversation", "id", "speaker", "text", "start", "end", "label", "probabilities",
        "weights", "similarity", "context_weight", "effects", "context_effect",
        "layer_weights", "left_out",
    ]  # fmt: skip
    assert value["probabilities"] == {"sad": 0.7, "glad": 0.2, "so, so": 0.1}
    assert value["weights"] == {"text": 0.6, "audio": 0.4, "video": None}
    assert value["effects"] == {"text": 0.41, "audio": -0.03, "video": None}


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("field", ["text", "speaker", "conversation"])
def test_any_text_survives_json_lines_and_csv(text, field):
    predictions = [prediction(**{field: text}), prediction(id="2")]
    lines = PREDICTION_FORMATS["jsonl"](predictions)
    assert lines.count("\n") == 2
    first, second, end = lines.split("\n")
    assert json.loads(first)[field] == text
    assert (json.loads(second)["id"], end) == ("2", "")
    rows = rows_of(PREDICTION_FORMATS["csv"](predictions))
    assert [row["id"] for row in rows] == ["1", "2"]
    assert rows[0][field] == text


def test_text_is_not_escaped():
    assert "😊 é" in PREDICTION_FORMATS["jsonl"]([prediction(text="😊 é")])
    assert "😊 é" in PREDICTION_FORMATS["csv"]([prediction(text="😊 é")])


def test_csv_has_a_column_for_every_label_and_modality():
    text = PREDICTION_FORMATS["csv"](
        [prediction(), prediction(id="2", similarity=None, context_weight=None)]
    )
    first, second = rows_of(text)
    assert list(first) == COLUMNS
    assert first["probabilities.so, so"] == "0.1"
    assert first["weights.video"] == first["effects.video"] == ""
    assert (first["effects.audio"], first["context_effect"]) == ("-0.03", "0.002")
    assert (second["similarity"], second["context_weight"]) == ("", "")
    assert (first["similarity"], first["context_weight"]) == ("0.5", "0.25")


@pytest.mark.parametrize("form", PREDICTION_FORMATS)
def test_no_predictions(form):
    assert PREDICTION_FORMATS[form]([]).strip() == ""


def test_human_readable_text():
    other = prediction(conversation="c-2", label="glad", text="שלום 😊", speaker="Bo")
    text = as_text([prediction(), prediction(id="2", text="So."), other])
    lines = text.split("\n")
    assert lines[0] == "Ada: Well."
    assert lines[1].startswith("    SAD  70% sure; else glad 20%; points due to text +41, audio -3")
    assert lines[2] == "Ada: So."
    assert lines[4] == ""  # between conversations
    assert lines[5] == "Bo: שלום 😊"
    assert lines[6].startswith("    GLAD  ")
    assert lines[7:] == [""]


def test_missing_reasons_are_omitted():
    nothing = {"text": None, "audio": None, "video": None}
    bare = prediction(effects=nothing, context_effect=None)
    assert _summarise_reasons(bare) == "70% sure; else glad 20%"
    alone = prediction(effects=nothing, context_effect=0.126)
    assert _summarise_reasons(alone) == "70% sure; else glad 20%; points due to context +13"
    assert _summarise_reasons(prediction()).endswith("text +41, audio -3, context +0")


def test_every_format_of_an_analysis_is_text_of_its_media_type():
    predictions = ANALYSIS
    for name, form in ANALYSIS_FORMATS.items():
        assert (form.name, bool(form.description)) == (name, True)
        assert form.write(predictions).strip()
    assert (
        json.loads(ANALYSIS_FORMATS["jsonl"].write(predictions).splitlines()[0])["id"]
        == ANALYSIS.predictions[0].id
    )
    assert ANALYSIS_FORMATS["html"].media_type == "text/html; charset=utf-8"
    assert set(PREDICTION_FORMATS) - set(ANALYSIS_FORMATS) == {"text"}
