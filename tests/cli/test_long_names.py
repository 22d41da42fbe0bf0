"""File names as long as the file system allows: 255 bytes."""

import json

import pytest
import soundfile
from test_extract import RATE, tone

NAMES = {"Latin": "a" * 255, "Georgian": "ა" * 85}


def name_with(ending, letters):
    """A name of 253 to 255 bytes."""
    while len((letters + ending).encode()) > 255:
        letters = letters[:-1]
    return letters + ending


@pytest.mark.parametrize("letters", NAMES.values(), ids=NAMES)
def test_transcript(mmerc, analysis_models, tmp_path, letters):
    transcript = tmp_path / name_with(".txt", letters)
    transcript.write_text("Ann: I am so glad you came!\n")
    options = ("--model", analysis_models / "read", "--format", "jsonl")
    outcome = mmerc("predict", transcript, *options)
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["text"] == "I am so glad you came!"


@pytest.mark.parametrize("letters", NAMES.values(), ids=NAMES)
def test_extraction(mmerc, tmp_path, letters):
    sound = tmp_path / name_with(".wav", letters)
    soundfile.write(sound, tone(1.0), RATE)
    utterances = [{"id": str(n), "speaker": "A", "text": "so", "label": "ab"[n]} for n in (0, 1)]
    lines = [
        json.dumps(
            {"id": s, "split": s, "utterances": [u | {"media": sound.name} for u in utterances]}
        )
        for s in ("train", "valid", "test")
    ]
    manifest = tmp_path / name_with(".jsonl", letters)
    manifest.write_text("\n".join(lines), encoding="utf-8")
    corpus = tmp_path / letters
    assert mmerc("prepare", "manifest", manifest, "--out", corpus).code == 0
    outcome = mmerc("extract", corpus, "--media", tmp_path, "--audio", "is10", "--json")
    assert outcome.code == 0, outcome.err
    (audio,) = outcome.json["extracted"]
    assert audio["vectors"] == 6


def test_too_long_result_name_is_refused_before_the_work(analyze, tmp_path):
    outcome = analyze(tmp_path / name_with(".mp4", "a" * 255))
    assert outcome.code == 1
    assert "give the recording a shorter name" in outcome.sentence
