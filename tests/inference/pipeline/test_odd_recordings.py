"""Unusual recordings: a sensible result, or a clear remark."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from mmerc.features.speaker_faces import NOT_ON_SCREEN
from mmerc.inference.page.render import render_page
from mmerc.inference.pipeline import Pipeline
from mmerc.inference.pipeline.still_picture import still_remarks
from mmerc.media.decode import SAMPLE_RATE, probe, read_sound
from mmerc.media.segment import MediaError
from mmerc.media.speakers.clustering import SpeakerCount, cluster_voices

DATA = Path(__file__).parents[2] / "media" / "data"
STILL = "The picture never changes, so faces in it do not reflect the speech."
NO_FACE = "No utterance has video: no face in any frame."


@pytest.fixture(scope="module")
def voice():
    """A woman: "The little garden is full of yellow flowers", 16 kHz."""
    return read_sound(DATA / "woman.ogg")


@pytest.fixture(scope="module")
def portrait():
    return pytest.importorskip("skimage.data", reason="scikit-image is not installed").astronaut()


def write_film(path, pictures, samples, *, rate=10):
    """A video of images [H, W, 3] with 16 kHz audio."""
    with av.open(str(path), "w") as output:
        film = output.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        film.height, film.width = pictures[0].shape[:2]
        film.pix_fmt = "yuv420p"
        sound = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for picture in pictures:
            output.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(film.encode(None))
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(
                samples[None, start : start + 1024], format="fltp", layout="mono"
            )
            frame.rate, frame.pts = SAMPLE_RATE, start
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return path


def drawings(count):
    """A round yellow head without a face, moving over blue."""
    rows, columns = np.mgrid[:240, :320]
    for number in range(count):
        picture = np.full((240, 320, 3), (40, 90, 200), np.uint8)
        picture[(rows - 120) ** 2 + (columns - 60 - 5 * number) ** 2 < 50**2] = (250, 220, 60)
        yield picture


@pytest.fixture
def analyse(models, tmp_path):
    """A function that analyses a recording, with one utterance of two words from a file."""

    def run(recording, *, model="all", words=True):
        path = tmp_path / "words.ctm"
        path.write_text("x 1 0.3 0.8 Yellow 1 lex Ada\nx 1 1.2 0.8 flowers. 1 lex Ada\n")
        pipeline = Pipeline.from_pretrained(models / model, workers=1)
        return pipeline(recording, words=path if words else None)

    return run


def test_photograph_with_audio(analyse, tmp_path, voice, portrait):
    film = write_film(tmp_path / "x.mp4", [portrait] * 25, voice)
    analysis = analyse(film)
    (said,) = analysis.predictions
    assert said.effects["video"] is not None
    assert STILL in analysis.remarks


def test_same_person_twice_side_by_side(analyse, tmp_path, voice, portrait):
    twins = np.concatenate([portrait, portrait], axis=1)
    analysis = analyse(write_film(tmp_path / "x.mp4", [twins] * 25, voice))
    (said,) = analysis.predictions
    assert said.effects["video"] is not None
    assert said.speaker == "Ada"
    assert STILL in analysis.remarks


def talking_video(picture, samples, *, rate=10):
    """The image with a dark mouth that opens with the loudness of the audio."""
    loudest = np.abs(samples).max()
    for piece in np.array_split(samples, len(samples) * rate // SAMPLE_RATE):
        moved = picture.copy()
        opening = round(15 * float(np.abs(piece).max() / loudest))
        moved[165 - opening // 2 : 166 + opening // 2, 205:240] = (90, 20, 20)
        yield moved


def test_same_talking_person_twice_side_by_side(analyse, tmp_path, voice, portrait):
    pictures = [np.concatenate([item, item], axis=1) for item in talking_video(portrait, voice)]
    analysis = analyse(write_film(tmp_path / "x.mp4", pictures, voice))
    (said,) = analysis.predictions
    reasons = analysis.absent.get("1", {})
    assert said.effects["video"] is not None or reasons == {"video": NOT_ON_SCREEN}
    assert STILL not in analysis.remarks


def test_animated_video(analyse, tmp_path, voice):
    film = write_film(tmp_path / "x.mp4", list(drawings(25)), voice)
    analysis = analyse(film)
    (said,) = analysis.predictions
    assert said.effects["audio"] is not None
    assert analysis.absent == {"1": {"video": "no face in any frame"}}
    assert NO_FACE in analysis.remarks
    assert STILL not in analysis.remarks


def test_small_movement_in_a_static_scene(tmp_path, voice, portrait):
    moved = [portrait.copy() for _ in range(25)]
    for number, picture in enumerate(moved):
        picture[150 : 162 + 3 * (number % 7), 200:240] = 0  # a mouth
    film = write_film(tmp_path / "x.mp4", moved, voice)
    assert still_remarks(film, probe(film)) == ()


def test_one_sentence_in_long_silence(analyse, tmp_path, voice):
    samples = np.random.default_rng(0).normal(0, 1e-4, 40 * SAMPLE_RATE).astype(np.float32)
    samples[20 * SAMPLE_RATE : 20 * SAMPLE_RATE + len(voice)] += voice
    soundfile.write(tmp_path / "x.flac", samples, SAMPLE_RATE)
    analysis = analyse(tmp_path / "x.flac", model="read", words=False)
    text = " ".join(item.text for item in analysis.predictions).lower()
    assert {"little", "garden", "yellow"} <= set(text.replace(".", "").split())
    assert all(19.8 <= p.start < p.end <= 23.5 for p in analysis.predictions)
    assert {p.speaker for p in analysis.predictions} == {"SPEAKER_01"}


def add_music(samples, numbers):
    """A chord under the voice, 10 dB below it."""
    times = np.arange(len(samples)) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330))
    return samples + chord * 0.3 * samples.std() / chord.std()


def call_by_telephone(samples, numbers):
    band = butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.round(sosfilt(band, samples) * 512) / 512


def add_distance(samples, numbers):
    """Reverberation of 0.4 s, and a quiet voice in some noise."""
    times = np.arange(6400) / SAMPLE_RATE
    echo = numbers.normal(size=6400) * 10 ** (-3 * times / 0.4) * 0.02
    echo[0] = 0.3
    return np.convolve(samples, echo)[: len(samples)] + numbers.normal(0, 1e-3, len(samples))


def clap(count, numbers):
    """Applause: many short bursts of noise."""
    bursts = np.zeros(count)
    for start in numbers.integers(0, count - 400, 60 * count // SAMPLE_RATE):
        bursts[start : start + 400] += numbers.normal(size=400) * np.exp(-np.arange(400) / 80)
    return 0.1 * bursts / bursts.std()


def laugh(count):
    """Voiced bursts, five per second."""
    times = np.arange(count) / SAMPLE_RATE
    voiced = sum(np.sin(2 * np.pi * 250 * n * times) / n for n in range(1, 12))
    return 0.05 * voiced * np.maximum(0, np.sin(2 * np.pi * 5 * times))


def test_music_laughter_applause_telephone_and_distant_microphone(analyse, tmp_path, voice):
    numbers = np.random.default_rng(0)
    parts, spoken, time = [np.zeros(SAMPLE_RATE)], [], 1.0
    for number, change in enumerate((add_music, call_by_telephone, add_distance)):
        spoken.append((time, time + len(voice) / SAMPLE_RATE))
        between = clap(2 * SAMPLE_RATE, numbers) if number else laugh(2 * SAMPLE_RATE)
        silence = np.zeros(SAMPLE_RATE)
        parts += [change(voice, numbers), silence, between, silence]
        time = sum(map(len, parts)) / SAMPLE_RATE
    samples = np.concatenate(parts).astype(np.float32)
    soundfile.write(tmp_path / "x.flac", samples, SAMPLE_RATE)
    analysis = analyse(tmp_path / "x.flac", model="read", words=False)
    for start, end in spoken:
        inside = [p.text for p in analysis.predictions if start - 0.3 < p.start < end]
        words = " ".join(inside).lower().replace(".", "").split()
        assert {"little", "garden", "flowers"} <= set(words)
    outside = [
        p for p in analysis.predictions
        if not any(start - 0.5 <= p.start and p.end <= end + 0.5 for start, end in spoken)
    ]  # fmt: skip
    assert outside == []


def test_two_languages_in_one_recording(analyse, tmp_path, voice):
    """tiny.en supports only English: its output for German is marked as doubtful."""
    silence = np.zeros(SAMPLE_RATE, np.float32)
    german = read_sound(DATA / "german.ogg")
    samples = np.concatenate([silence, voice, silence, german, silence])
    soundfile.write(tmp_path / "x.flac", samples, SAMPLE_RATE)
    analysis = analyse(tmp_path / "x.flac", model="read", words=False)
    doubtful, words = {"English": 0, "German": 0}, {"English": 0, "German": 0}
    for said in analysis.predictions:
        language = "English" if said.end < 1.5 + len(voice) / SAMPLE_RATE else "German"
        words[language] += len(said.text.split())
        doubtful[language] += len(analysis.marks[said.id].doubtful)
    assert words["English"] > 0 and doubtful["English"] <= words["English"] / 4
    assert words["German"] > 0 and doubtful["German"] >= words["German"] / 3


@pytest.mark.parametrize("seconds", [0.35, 0.6])
def test_one_or_two_words(analyse, tmp_path, voice, seconds):
    begin = round(0.22 * SAMPLE_RATE)
    samples = np.zeros(2 * SAMPLE_RATE, np.float32)
    samples[8000 : 8000 + round(seconds * SAMPLE_RATE)] = voice[
        begin : begin + round(seconds * SAMPLE_RATE)
    ]
    soundfile.write(tmp_path / "x.flac", samples, SAMPLE_RATE)
    try:
        analysis = analyse(tmp_path / "x.flac", model="read", words=False)
    except MediaError as error:
        assert "no speech detected" in str(error) or "no usable text" in str(error)
        return
    (said,) = analysis.predictions
    assert said.text
    assert 0.3 <= said.start < said.end <= 1.5


def test_twelve_speakers(models, films, tmp_path):
    lines = [f"x 1 {0.6 * n:.1f} 0.5 word. 1 lex SPEAKER_{n + 1:02d}" for n in range(12)]
    (tmp_path / "x.ctm").write_text("\n".join(lines) + "\n")
    pipeline = Pipeline.from_pretrained(models / "read", workers=1)
    analysis = pipeline(films / "sound.m4a", words=tmp_path / "x.ctm")
    assert len({item.speaker for item in analysis.predictions}) == 12
    page = render_page(analysis)
    assert all(f"SPEAKER_{n:02d}" in page for n in range(1, 13))


def test_twelve_voices_are_twelve_speakers():
    numbers = np.random.default_rng(0)
    centres = np.linalg.qr(numbers.normal(size=(192, 12)))[0].T
    vectors = np.repeat(centres, 5, axis=0) + numbers.normal(0, 0.02, (60, 192))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    assert len(cluster_voices(vectors, list(range(60)), [2.5] * 60, count=SpeakerCount())) == 12
