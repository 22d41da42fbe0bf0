"""``mmerc extract`` on real audio and images, from raw files to a prediction."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from mmerc.features.store import FeatureStore

RATE = 16_000
SRT = """1
00:00:00,000 --> 00:00:01,000
Ann: Hello there.

2
00:00:01,000 --> 00:00:02,000
Ben: You again.

3
00:00:05,000 --> 00:00:06,000
Ann: Nobody hears this.
"""


def tone(seconds, pitch=220.0):
    time = np.arange(int(seconds * RATE)) / RATE
    steps = 1 + 0.3 * np.sin(2 * np.pi * 3 * time)
    return (0.3 * steps * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


@pytest.fixture
def raw(tmp_path):
    """A manifest with audio files next to it: valid, silent, missing, broken and unnamed."""
    folder = tmp_path / "raw"
    folder.mkdir()
    soundfile.write(folder / "good.wav", tone(1.0), RATE)
    soundfile.write(folder / "silent.wav", np.zeros(RATE, np.float32), RATE)
    (folder / "broken.wav").write_bytes(b"RIFF????no sound at all")
    media = ["good.wav", "silent.wav", "missing.wav", "broken.wav", None]
    conversations = [
        {
            "id": split,
            "split": split,
            "utterances": [
                {
                    "id": str(n), "speaker": "A", "text": "so", "media": name,
                    "label": ["calm", "cross"][n % 2],
                }
                for n, name in enumerate(media)
            ],
        }
        for split in ("train", "valid", "test")
    ]  # fmt: skip
    lines = "\n".join(json.dumps(conversation) for conversation in conversations)
    (folder / "corpus.jsonl").write_text(lines)
    return folder


@pytest.fixture
def corpus(mmerc, raw, tmp_path):
    folder = tmp_path / "corpus"
    assert mmerc("prepare", "manifest", raw / "corpus.jsonl", "--out", folder).code == 0
    return folder


def test_corpus_gets_vectors_and_reasons_for_absences(mmerc, corpus, raw):
    outcome = mmerc("extract", corpus, "--media", raw, "--audio", "is10", "--json")
    assert outcome.code == 0, outcome.err
    (actual,) = outcome.json["extracted"]
    assert (actual["modality"], actual["width"], actual["vectors"]) == ("audio", 1582, 3)
    assert sum(actual["absent"].values()) == 12
    assert {"silence", "no such file", "no sound file"} <= actual["absent"].keys()
    description = json.loads((corpus / "corpus.json").read_text())
    store = FeatureStore.open(corpus / "features" / description["features"]["audio"])
    rows = store.read().rows
    assert np.isfinite(rows["train", "0"].vector).all()
    assert np.array_equal(rows["train", "0"].vector, rows["test", "0"].vector)
    assert rows["train", "1"].absent_because == "silence"
    again = mmerc("extract", corpus, "--media", raw, "--audio", "is10", "--json")
    assert again.json == outcome.json
    assert len(store.parts()) == 1


def test_two_workers_give_equal_results(mmerc, corpus, raw, tmp_path):
    one = mmerc("extract", corpus, "--media", raw, "--audio", "is10", "--json")
    before = (corpus / "corpus.json").read_text()
    for part in (corpus / "features").rglob("*.parquet"):
        part.unlink()
    corpus_json = json.loads(before)
    corpus_json["features"], prints = {}, corpus_json["fingerprints"]
    del prints["audio"]
    (corpus / "corpus.json").write_text(json.dumps(corpus_json))
    two = mmerc("extract", corpus, "--media", raw, "--audio", "is10", "--workers", 2, "--json")
    assert two.code == 0, two.err
    assert two.json == one.json
    assert (corpus / "corpus.json").read_text() == before


def test_whisper_and_opensmile_together(mmerc, corpus, raw):
    outcome = mmerc("extract", corpus, "--media", raw, "--audio", "whisper+egemaps", "--json")
    assert outcome.code == 0, outcome.err
    (actual,) = outcome.json["extracted"]
    assert (actual["extractor"], actual["width"]) == ("whisper+egemaps", 1624)
    assert (actual["vectors"], sum(actual["absent"].values())) == (3, 12)
    description = json.loads((corpus / "corpus.json").read_text())
    before = (corpus / "features" / description["features"]["audio"]).glob("part-*")
    again = mmerc("extract", corpus, "--media", raw, "--audio", "whisper+egemaps", "--json")
    assert again.json == outcome.json
    assert len(list(before)) == 1


def test_extracted_corpus_trains(mmerc, corpus, raw, tmp_path):
    mmerc("extract", corpus, "--media", raw, "--audio", "is10")
    recipe = tmp_path / "own.yaml"
    recipe.write_text(
        "name: own\ndescription: own\nmodel: {name: concatenation, modalities: [audio]}\n"
        "training: {epochs: 1, seeds: 1}\n"
    )
    outcome = mmerc("train", "--recipe", recipe, "--corpus", corpus, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "run/result.json").is_file()


def test_recording_gives_a_manifest_for_prediction(mmerc, tmp_path):
    soundfile.write(tmp_path / "talk.wav", np.concatenate([tone(1), tone(1, 330)]), RATE)
    (tmp_path / "talk.srt").write_text(SRT)
    out = tmp_path / "out.jsonl"
    outcome = mmerc(
        "extract", tmp_path / "talk.wav", "--subtitles", tmp_path / "talk.srt",
        "--audio", "is10", "--out", out, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.json["extracted"][0]["absent"] == {"past the end of the sound": 1}
    first, second, third = json.loads(out.read_text())["utterances"]
    assert (first["speaker"], second["speaker"]) == ("Ann", "Ben")
    assert first["features"]["audio"] != second["features"]["audio"]
    assert third["features"]["audio"] is None
    assert len(list(Path(f"{out}.features").rglob("*.parquet"))) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{corpus}", "--media", "{raw}"], "Nothing to extract"),
        (["{corpus}", "--audio", "is10"], "needs --media"),
        (["{corpus}", "--audio", "is10", "--media", "{raw}/no"], "not a folder"),
        (["{raw}/good.wav", "--audio", "is10"], "--subtitles or --turns"),
        (["{raw}/no.wav", "--audio", "is10"], "neither a prepared corpus nor a recording"),
        (["{raw}", "--audio", "is10", "--media", "{raw}"], "not a prepared corpus"),
        (["{corpus}", "--media", "{raw}", "--video", "visextnet"], "needs a ResNet-101"),
    ],
)
def test_invalid_calls_give_one_sentence_errors(mmerc, corpus, raw, arguments, words):
    filled = [argument.format(corpus=corpus, raw=raw) for argument in arguments]
    outcome = mmerc("extract", *filled)
    assert outcome.code != 0
    assert words in outcome.sentence


def test_media_outside_the_folder_are_refused(mmerc, raw, tmp_path):
    text = (raw / "corpus.jsonl").read_text().replace("good.wav", "../secret.wav")
    (raw / "corpus.jsonl").write_text(text)
    mmerc("prepare", "manifest", raw / "corpus.jsonl", "--out", tmp_path / "corpus")
    outcome = mmerc("extract", tmp_path / "corpus", "--media", raw, "--audio", "is10")
    assert "points outside the folder" in outcome.sentence
    assert not list((tmp_path / "corpus/features").rglob("*.parquet"))


def test_parquet_is_readable_by_other_tools(mmerc, corpus, raw):
    mmerc("extract", corpus, "--media", raw, "--audio", "is10")
    (part,) = (corpus / "features").rglob("*.parquet")
    table = pq.read_table(part).to_pandas()
    assert table.absent_because.notna().sum() == 12
