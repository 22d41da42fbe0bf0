"""The language of a recording, and a model that does not support it."""

import json

import pytest

from mmerc.conversation import Utterance
from mmerc.inference.pipeline import Pipeline, spoken_language
from mmerc.inference.pipeline.source_remarks import uncertainty_remarks
from mmerc.inference.pipeline.spoken_language import (
    explain_unreadable,
    language_remarks,
    recognise_language,
)
from mmerc.media.segment import MediaError
from mmerc.media.sentences import Word
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span
from mmerc.models.registry import load_model

FRENCH = "Je ne sais pas ce que tu veux de moi, mais je ne vais pas rester ici toute la nuit."
ENGLISH = "I do not know what you want from me, but I am not staying here all night. " * 3
UNREAD = "the words are French, which the model does not read"


def transcript(language, seconds, *words):
    return Transcript(
        span=Span(0, seconds), text=" ".join(words), language=language, uncertain=True,
        words=tuple(Word(text=text, start=0, end=1) for text in words),
    )  # fmt: skip


def make_utterances(text):
    return [Utterance(id="1", speaker="a", text=text)]


@pytest.fixture(scope="module")
def model(models):
    return load_model(models / "read")


def test_most_spoken_language_is_chosen():
    one = recognise_language([transcript("fr", 9, "oui"), transcript("de", 99)])
    assert one == {"fr": 1.0}
    assert language_remarks(one) == ("The transcriber recognised the language as French.",)
    two = recognise_language([transcript("en", 1, "yes"), transcript("fr", 3, "oui")])
    (remark,) = language_remarks(two)
    assert "French (75%), English (25%) of the speech; all of it is treated as French" in remark
    assert language_remarks(recognise_language([transcript(None, 3, "yes")])) == ()


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (None, FRENCH, None),
        ("en", FRENCH, None),
        ("fr", FRENCH, UNREAD),
        ("fr", "Non.", UNREAD),
        ("fr", FRENCH * 2, UNREAD),
        ("fr", ENGLISH, None),  # the tokenizer knows the words, whatever the stated language
    ],
)
def test_languages_of_an_english_encoder(model, language, text, expected):
    assert explain_unreadable(model, make_utterances(text), language) == expected


def test_multilingual_encoder_reads_all_languages(model, monkeypatch):
    monkeypatch.setattr(spoken_language, "_LARGE_VOCABULARY", 30_000)  # as if MiniLM were one
    assert explain_unreadable(model, make_utterances(FRENCH), "fr") is None


@pytest.fixture
def french(tmp_path):
    """Words of openai-whisper in French."""
    words = [{"word": f" {text}", "start": 1.0 + n, "end": 1.9 + n, "probability": 1.0}
             for n, text in enumerate(("Ne", "bouge", "pas."))]  # fmt: skip
    segment = {"start": 1.0, "end": 3.9, "text": " Ne bouge pas.", "words": words}
    path = tmp_path / "talk.json"
    path.write_text(json.dumps({"segments": [segment], "language": "fr"}))
    return path


def test_voice_is_used_without_words(films, models, french):
    analysis = Pipeline.from_pretrained(models / "heard", workers=1)(
        films / "scene.mp4", words=french
    )
    (prediction,) = analysis.predictions
    assert prediction.text == "Ne bouge pas."
    assert prediction.effects["text"] is None
    assert analysis.absent == {"1": {"text": UNREAD}}
    assert f"No utterance has text: {UNREAD}." in analysis.remarks


def test_text_only_model_is_refused(films, models, french):
    pipeline = Pipeline.from_pretrained(models / "read", workers=1)
    with pytest.raises(MediaError, match=f"no usable text \\({UNREAD}"):
        pipeline(films / "scene.mp4", words=french)
    assert pipeline(films / "scene.mp4", words=_in_english(french)).predictions


def _in_english(path):
    path.write_text(path.read_text().replace('"fr"', '"en"'))
    return path


def test_stated_language_takes_precedence(films, models):
    pipeline = Pipeline.from_pretrained(models / "heard", workers=1, language=None)
    assert pipeline(films / "scene.mp4", subtitles=films / "scene.srt").absent == {}


@pytest.mark.parametrize(
    ("heard", "end"),
    [
        (None, "; if it is not English, run `pip install 'mmerc[multilingual]'`, then pass "
               "--whisper base."),
        ("fr", ", or is French, as it sounds; pass --whisper base."),
        ("en", ": the recording may be hard to hear."),
    ],
)  # fmt: skip
def test_advice_on_uncertain_words(heard, end):
    (remark,) = uncertainty_remarks([transcript(None, 1, "x")], english_only=True, heard=heard)
    assert remark.startswith("The words of 1 of 1 utterances are uncertain")
    assert remark.endswith(end)
    (remark,) = uncertainty_remarks([transcript("fr", 1, "x")])
    assert "--whisper" not in remark


@pytest.mark.parametrize(("doubtful", "remarked"), [(4, 0), (5, 1)])
def test_half_of_the_words_are_doubtful(doubtful, remarked):
    words = tuple(
        Word(text="x", start=n, end=n + 1, probability=0.4 if n < doubtful else 0.9)
        for n in range(10)
    )
    item = Transcript(span=Span(0, 10), text="x", language=None, uncertain=False, words=words)
    remarks = uncertainty_remarks([item], english_only=True)
    assert len(remarks) == remarked
    assert all(line.startswith("5 of 10 words are uncertain") for line in remarks)
