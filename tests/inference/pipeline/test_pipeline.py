"""The whole pipeline on short films, stage by stage and with replaced stages."""

import os
import shutil
import sys
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError
from mmerc.features.store import FeatureSpec
from mmerc.inference.analysis import Marks
from mmerc.inference.pipeline import Pipeline
from mmerc.inference.pipeline.segmentation import Segmentation
from mmerc.media.segment import MediaError
from mmerc.models.registry import load_model
from short_films import cues, cut, small_disk


@dataclass(frozen=True)
class Planned:
    """A first stage with known utterances."""

    utterances: tuple
    remarks: tuple = ()

    def settings(self):
        return {"planned": len(self.utterances)}

    def __call__(self, recording, info, *, work, report):
        return Segmentation(utterances=self.utterances, remarks=self.remarks)


def utterances_at(*times, text="yes"):
    return tuple(
        Utterance(id=str(i), speaker="ab"[i % 2], text=text, start=start, end=start + 1.0)
        for i, start in enumerate(times)
    )


@dataclass(frozen=True)
class Counted:
    """A custom extractor: the second at which an utterance starts."""

    seen: list

    def __call__(self):
        return self

    @property
    def spec(self):
        return FeatureSpec(modality="audio", extractor="counted", dim=1582)

    def extract(self, segment):
        self.seen.append(segment.sound.start)
        return np.full(1582, segment.sound.start, np.float32)


@pytest.fixture
def pipeline(models):
    """A function that creates a single-process pipeline."""

    def make(name="read", **settings):
        return Pipeline.from_pretrained(models / name, workers=1, **settings)

    return make


def stages(steps):
    return list(dict.fromkeys(step.stage for step in steps))


def test_video_with_subtitles(pipeline, films):
    steps = []
    actual = pipeline("all")(
        films / "scene.mp4", subtitles=films / "scene.srt", report=steps.append
    )
    assert (actual.recording, actual.model, round(actual.duration)) == ("scene.mp4", "all", 8)
    assert [item.speaker for item in actual.predictions] == ["Lewis", "Nora"]
    assert actual.absent == {}
    for item in actual.predictions:
        assert sum(item.probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert all(effect is not None for effect in item.effects.values())
    assert stages(steps) == ["speech", "audio", "video", "emotions"]
    for stage in ("audio", "video"):
        assert [(s.done, s.total) for s in steps if s.stage == stage] == [(1, 2), (2, 2)]
    assert [(s.done, s.total) for s in steps if s.stage == "emotions"] == [(0, 2), (2, 2)]


def test_call_with_one_visible_participant(pipeline, tmp_path):
    cut("phone-call", tmp_path / "call.mp4", seconds=9.0)
    cues("phone-call", tmp_path / "call.srt", count=2)
    actual = pipeline("all")(tmp_path / "call.mp4", subtitles=tmp_path / "call.srt")
    assert [item.speaker for item in actual.predictions] == ["Mara", "Tom"]
    assert actual.absent == {"2": {"video": "no face in any frame"}}
    assert [item.effects["video"] is None for item in actual.predictions] == [False, True]


def test_audio_is_transcribed_and_split_by_turns(pipeline, films, tmp_path):
    rttm, steps = tmp_path / "x.rttm", []
    rttm.write_text(
        "SPEAKER x 1 0 4.4 <NA> <NA> Lewis <NA> <NA>\nSPEAKER x 1 4.4 4 <NA> <NA> Nora <NA> <NA>\n"
    )
    actual = pipeline("heard")(films / "sound.m4a", turns=rttm, report=steps.append)
    assert stages(steps) == ["speech", "speakers", "words", "audio", "emotions"]
    first, second = actual.predictions
    assert {"light", "better"} <= set(first.text.lower().replace(".", "").split())
    assert "hands" in second.text
    assert (first.speaker, second.speaker) == ("Lewis", "Nora")
    assert 0 <= first.start < first.end <= second.start < second.end < 8.1


def test_turn_inside_another_has_no_words(pipeline, films, tmp_path):
    rttm = tmp_path / "x.rttm"
    rttm.write_text(
        "SPEAKER x 1 0 8 <NA> <NA> Lewis <NA> <NA>\nSPEAKER x 1 1 2 <NA> <NA> Nora <NA> <NA>\n"
    )
    actual = pipeline("all")(films / "sound.m4a", turns=rttm)
    (hers,) = [item for item in actual.predictions if item.speaker == "Nora"]
    assert (hers.text, hers.start, hers.end) == ("", 1, 3)
    assert actual.marks[hers.id] == Marks(overlap=1.0, label="no words")
    assert [actual.marks[p.id].label for p in actual.predictions if p.text] == [None, None]
    assert "no word was recognised" in " ".join(actual.remarks)


@pytest.mark.parametrize(
    ("file", "modality", "reason"),
    [("sound.m4a", "video", "no film in the file"), ("mute.mp4", "audio", "no sound in the file")],
)
def test_half_a_video(pipeline, films, file, modality, reason):
    predictions = pipeline("all")
    predictions.extractors = {modality: predictions.extractors[modality]}
    actual = predictions(films / file, subtitles=films / "scene.srt")
    assert actual.absent == {number: {modality: reason} for number in ("1", "2")}
    assert actual.remarks == (f"No utterance has {modality}: {reason}.",)


def test_every_absence_has_a_reason(pipeline, films):
    said = (*utterances_at(0.5), *utterances_at(99.0))
    planned = (said[0], replace(said[1], id="late", text=" "))
    predictions = pipeline("all")
    predictions.find = Planned(
        (*planned, Utterance(id="brief", speaker="a", text="x", start=2, end=2.05))
    )
    actual = predictions(films / "scene.mp4")
    assert "0" not in actual.absent
    assert actual.absent["late"] == {
        "text": "no words",
        "audio": "past the end of the sound",
        "video": "past the end of the film",
    }
    assert actual.absent["brief"]["audio"] == "sound shorter than 0.1 s"
    for item in actual.predictions:
        for modality, effect in item.effects.items():
            if modality in actual.absent.get(item.id, {}):
                assert effect is None


# Missing components


@pytest.mark.parametrize("module", ["opensmile", "mtcnn"])
def test_missing_package(pipeline, films, tmp_path, monkeypatch, module):
    def nowhere(name):
        raise PackageNotFoundError(name)

    if module == "opensmile":
        monkeypatch.setattr("mmerc.features.opensmile.version", nowhere)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path))  # without the detector's weights
    predictions = pipeline("all")
    predictions.find = Planned(utterances_at(1.0))
    actual = predictions(films / "scene.mp4")
    modality, other = ("audio", "video") if module == "opensmile" else ("video", "audio")
    sentence = (
        f"The package {module} is not installed; install it with `pip install 'mmerc[media]'`."
    )
    assert actual.absent == {"0": {modality: sentence}}
    assert f"No utterance has {modality}: {sentence}" in actual.remarks
    assert actual.predictions[0].effects[other] is not None


def test_commercial_use_reports_what_is_left_out(pipeline, films):
    predictions = pipeline("heard", commercial_only=True)
    predictions.find = Planned(utterances_at(1.0))
    actual = predictions(films / "scene.mp4")
    assert actual.absent == {"0": {"audio": "opensmile may not be used commercially."}}
    assert actual.remarks == ("No utterance has audio: opensmile may not be used commercially.",)


# Replaced components


def test_every_stage_can_be_replaced(pipeline, films, models):
    seen = []
    predictions = pipeline("read")
    predictions.find = Planned(utterances_at(1.0, 3.0), remarks=("Planned.",))
    before = predictions(films / "scene.mp4")
    predictions.model = load_model(models / "heard")
    predictions.name = "mine"
    predictions.extractors = {"audio": Counted(seen)}
    predictions.missing = {"video": "nobody looks"}
    after = predictions(films / "scene.mp4")
    assert seen == [1.0, 3.0]
    assert after.model == "mine"
    assert after.absent == {number: {"video": "nobody looks"} for number in ("0", "1")}
    assert (before.remarks[0], after.remarks[0]) == ("Planned.", "Planned.")
    assert after.predictions[0].probabilities != before.predictions[0].probabilities


def test_work_is_reused_until_discarded(pipeline, films, tmp_path):
    seen = []
    predictions = pipeline("heard")
    predictions.find, predictions.extractors = (
        Planned(utterances_at(1.0, 3.0)),
        {"audio": Counted(seen)},
    )
    first = predictions(films / "scene.mp4", work=tmp_path / "work")
    assert predictions(films / "scene.mp4", work=tmp_path / "work") == first
    assert seen == [1.0, 3.0]
    predictions.find = Planned(
        utterances_at(1.0, 4.0)
    )  # same settings, other times: no vector is confused
    predictions(films / "scene.mp4", work=tmp_path / "work")
    assert seen == [1.0, 3.0, 1.0, 4.0]


# User errors


@pytest.mark.parametrize("kind", ["none", "folder", "empty", "words"])
def test_file_that_is_not_a_recording(pipeline, films, tmp_path, kind):
    path = tmp_path / "talk.mp4"
    make = {
        "none": lambda: None,
        "folder": path.mkdir,
        "empty": path.touch,
        "words": lambda: path.write_text("Lewis: a little to the left\n" * 50),
    }
    make[kind]()
    with pytest.raises(MediaError) as message:
        pipeline()(path, work=tmp_path / "work")
    assert str(message.value).startswith(f"{path}: ")
    assert not (tmp_path / "work").exists()


def test_recording_without_usable_input(pipeline, films, tmp_path):
    predictions = pipeline("heard")
    predictions.find = Planned(utterances_at(1.0, text=""))
    soundfile.write(tmp_path / "quiet.wav", np.zeros(48000, np.float32), 16000)
    with pytest.raises(MediaError, match=r"no usable text or audio \(no words; silence\)"):
        predictions(tmp_path / "quiet.wav", work=tmp_path / "work")


def test_text_without_words_gives_a_doubtful_label(pipeline):
    """An utterance without words is predicted only from the other utterances."""
    talk = [
        Conversation(
            id=name,
            utterances=tuple(
                Utterance(id=f"{start}{n}", speaker="Ada", text=text)
                for n, text in enumerate(["We are here.", " ", "Are we?"])
            ),
        )
        for name, start in (("one", "a"), ("two", "b"))
    ]
    actual = pipeline().read(talk, name="talk.txt")
    assert actual.absent == {"a1": {"text": "no words"}, "b1": {"text": "no words"}}
    marked = {name: marks.label for name, marks in actual.marks.items()}
    assert marked == {"a1": "no words", "b1": "no words"}
    other = Conversation(
        id="three", utterances=(Utterance(id="a1", speaker="Ben", text="No, there."),)
    )
    assert pipeline().read([*talk, other], name="talk.txt").marks.keys() == {"b1"}


def test_unencodable_file_name(pipeline, films, tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    shutil.copy(films / "scene.mp4", path)
    predictions = pipeline("heard")
    predictions.find = Planned(utterances_at(1.0))
    actual = predictions(Path(os.fsdecode(path)), work=tmp_path / "work")
    assert actual.predictions[0].conversation == "caf?"
    assert actual.predictions[0].effects["audio"] is not None


def test_full_disk_during_extraction(pipeline, films, tmp_path):
    predictions = pipeline("heard")
    predictions.find, predictions.extractors = (
        Planned(utterances_at(1.0, 3.0, 5.0)),
        {"audio": Counted([])},
    )
    with pytest.raises(InputError, match="cannot be written"), small_disk(9000):
        predictions(films / "scene.mp4", work=tmp_path / "work")
    seen = []
    predictions.extractors = {"audio": Counted(seen)}
    actual = predictions(films / "scene.mp4", work=tmp_path / "work")
    assert seen == [3.0, 5.0]
    assert actual.absent == {}


def test_text_only_conversation(pipeline):
    utterances = (
        Utterance(id="1", speaker="a", text="well"),
        Utterance(id="2", speaker="b", text="no"),
    )
    actual = pipeline().read([Conversation(id="c", utterances=utterances)], name="talk.txt")
    assert (actual.recording, actual.duration, actual.remarks) == ("talk.txt", None, ())
    assert [item.id for item in actual.predictions] == ["1", "2"]
