"""The language of a recording, and whether a model's text encoder reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmerc.conversation import Utterance
from mmerc.inference.pipeline.checks import count_words, is_foreign
from mmerc.media.languages import ENGLISH, language_name, share_languages
from mmerc.media.transcription import Transcript
from mmerc.models.base import AnyModel
from mmerc.prediction.utterance_prediction import UtterancePrediction

_ENOUGH_WORDS = 30
_LARGE_VOCABULARY = 119_000  # BERT-multilingual has 119,547 tokens; XLM-R and others have more
_LARGE_ENGLISH_VOCABULARIES = range(128_000, 128_200)  # DeBERTa-v3's


def recognise_language(transcripts: Sequence[Transcript]) -> dict[str, float]:
    """Return each recognised language's share of the time with recognised words."""
    return share_languages(
        (item.language, item.span.end - item.span.start) for item in transcripts if item.words
    )


def language_remarks(shares: dict[str, float]) -> tuple[str, ...]:
    """Remark on the recognised languages."""
    if not shares:
        return ()
    parts = [f"{language_name(code)} ({share:.0%})" for code, share in shares.items()]
    first = language_name(next(iter(shares)))
    if len(parts) == 1:
        return (f"The transcriber recognised the language as {first}.",)
    return (
        f"The transcriber recognised several languages: {', '.join(parts)} of the speech; all of "
        f"it is treated as {first}.",
    )


def explain_unreadable(
    model: AnyModel, utterances: Sequence[Utterance], language: str | None
) -> str | None:
    """Return why the model cannot read a language; None if it can or the language is unknown.

    [decided] Every model reads English. Other languages are read by encoders with a multilingual
    vocabulary (119,000 tokens or more, except DeBERTa-v3's), and by those whose tokenizer fits 30
    or more words of the recording (a German encoder for German; ``checks.is_foreign``).
    """
    if language is None or language == ENGLISH or model.text_encoder is None:
        return None
    size = len(model.text_encoder.tokenizer.tokenizer)
    if size >= _LARGE_VOCABULARY and size not in _LARGE_ENGLISH_VOCABULARIES:
        return None
    if count_words(utterances) >= _ENOUGH_WORDS and not is_foreign(model, utterances):
        return None
    return f"the words are {language_name(language)}, which the model does not read"


def without_words(utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """Return the utterances without their text, to hide it from the model."""
    return tuple(replace(item, text="") for item in utterances)


def with_words(
    predictions: Sequence[UtterancePrediction], utterances: Sequence[Utterance]
) -> list[UtterancePrediction]:
    """Return predictions with the text of their utterances."""
    return [
        replace(prediction, text=item.text)
        for prediction, item in zip(predictions, utterances, strict=True)
    ]
