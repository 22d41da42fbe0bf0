"""Annotated times next to clips: dialogue times are recognised, mismatches are reported."""

import json

import numpy as np
import pytest
import soundfile

from mmerc import extract, prepare_corpus
from mmerc.corpora.manifest import read_manifest
from mmerc.data.corpus_media import add_corpus_sounds, corpus_tasks
from mmerc.errors import InputError

RATE = 16_000
TIMES = [(0.0, 1.0), (2.0, 3.5), (4.0, 5.0), (6.0, 7.0)]


@pytest.fixture
def prepare(tmp_path):
    """A function that prepares a conversation with one clip per utterance."""
    lengths = [end - start for start, end in TIMES]

    def call(seconds=lengths, **more):
        tmp_path.joinpath("raw").mkdir(exist_ok=True)
        utterances = []
        for number, (start, end) in enumerate(TIMES):
            time = np.arange(int(seconds[number] * RATE)) / RATE
            tone = 0.3 * np.sin(2 * np.pi * (200 + 20 * number) * time) * (1 + np.sin(9 * time))
            soundfile.write(tmp_path / "raw" / f"{number}.wav", tone.astype(np.float32), RATE)
            label = ["calm", "cross"][number % 2]
            utterance = {"id": str(number), "speaker": "A", "text": "so", "label": label}
            utterance |= {"start": start, "end": end, "media": f"{number}.wav"}
            utterances.append(utterance | {key: make(start) for key, make in more.items()})
        line = {"id": "talk", "split": "train", "utterances": utterances}
        (tmp_path / "talk.jsonl").write_text(json.dumps(line))
        out = tmp_path / "corpus"
        return prepare_corpus("manifest", str(tmp_path / "talk.jsonl"), str(out), overwrite=True)

    return call


def test_dialogue_times_with_clips_give_a_one_sentence_error(prepare, tmp_path):
    corpus = prepare()
    message = "3 of 4 utterances start after the end of their own media file.*media_start"
    with pytest.raises(InputError, match=message) as caught:
        extract(tmp_path / "corpus", audio="is10", media=tmp_path / "raw")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=message):
        add_corpus_sounds(corpus, tmp_path / "raw")


def test_media_start_is_the_offset_of_clips(prepare, tmp_path, recwarn):
    corpus = prepare(media_start=lambda start: start)
    (actual,) = extract(tmp_path / "corpus", audio="is10", media=str(tmp_path / "raw"))
    assert actual.to_json()["vectors"] == 4
    assert actual.to_json()["absent"] == {}
    assert len(recwarn) == 0
    clips = [task.segment.sound for task in corpus_tasks(corpus, tmp_path / "raw")]
    assert [(clip.start, clip.end) for clip in clips] == [(0, 1), (0, 1.5), (0, 1), (0, 1)]


def test_clips_that_do_not_match_their_times_are_reported(prepare, tmp_path):
    prepare([1.0, 5.0, 1.0, 1.0], media_start=lambda start: start)
    message = []
    extract(tmp_path / "corpus", audio="is10", media=tmp_path / "raw", remark=message.append)
    assert len(message) == 1
    assert message[0].startswith(
        "Media files far longer than their utterances' times: 1 of 4 (1.wav)"
    )
    prepare([1.0, 1.5, 1.0, 1.0], media_start=lambda start: max(0, start - 0.5))
    message = []
    extract(tmp_path / "corpus", audio="is10", media=tmp_path / "raw", remark=message.append)
    assert message == []


def test_conversation_whose_media_start_later(tmp_path):
    line = {
        "id": "talk", "split": "train", "media": "film.mp4", "media_start": 10.0,
        "utterances": [
            {"id": "1", "speaker": "A", "text": "so", "label": "calm", "start": 12, "end": 13},
            {"id": "2", "speaker": "A", "text": "so", "label": "cross", "start": 9, "end": 11},
        ],
    }  # fmt: skip
    (tmp_path / "talk.jsonl").write_text(json.dumps(line))
    assert read_manifest(tmp_path / "talk.jsonl").splits["train"][0].media_start == 10.0
    corpus = prepare_corpus("manifest", tmp_path / "talk.jsonl", tmp_path / "corpus")
    clips = [task.segment.film for task in corpus_tasks(corpus, tmp_path)]
    assert [(clip.start, clip.end) for clip in clips] == [(2, 3), (0, 1)]
