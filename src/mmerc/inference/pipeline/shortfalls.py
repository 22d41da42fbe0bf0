"""Parts of an analysis that failed, as opposed to what a recording does not contain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mmerc.conversation import Modality
from mmerc.features.sound_samples import NO_SOUND_FILE, SILENCE, TOO_SHORT
from mmerc.features.speaker_faces import NO_FACE, NO_FILM, NOT_ON_SCREEN
from mmerc.inference.analysis import NO_WORDS
from mmerc.inference.pipeline.speech_stages import UNCHECKED
from mmerc.media.container import Reason

CONTRADICTS = "left out: it contradicts the other modalities throughout the recording"
_PROPERTIES = {  # properties of a recording rather than failures
    NO_WORDS,
    CONTRADICTS,
    NO_SOUND_FILE,
    SILENCE,
    TOO_SHORT,
    NO_FACE,
    NO_FILM,
    NOT_ON_SCREEN,
    Reason.NO_SOUND.value,
    Reason.NO_FILM.value,
    Reason.PAST_SOUND.value,
    Reason.PAST_FILM.value,
    Reason.TOO_SHORT.value,
}


def list_shortfalls(
    absent: Mapping[str, Mapping[Modality, str]], remarks: Sequence[str], *, utterances: int
) -> tuple[str, ...]:
    """Return one sentence per failed part of an analysis; empty if there is none.

    [decided] Parts are the model's modalities, and the check whether subtitles or words match the
    speech. A part failed if a package or weights are missing, a file is damaged or crashed its
    decoder, a result was not finite, or the model does not read the language. What a recording does
    not contain (a film, a visible face, sound, words), or what the model distrusts, is not a
    shortfall.
    """
    failures: dict[Modality, Counter[str]] = {}
    for reasons in absent.values():
        for modality, reason in reasons.items():
            if reason not in _PROPERTIES:
                failures.setdefault(modality, Counter())[reason] += 1
    sentences = [_describe(modality, reasons, utterances) for modality, reasons in failures.items()]
    return (*sentences, *(line for line in remarks if line.startswith(UNCHECKED)))


def _describe(modality: Modality, reasons: Counter[str], utterances: int) -> str:
    """Describe for how many utterances a modality could not be used, and why."""
    count, reason = reasons.total(), reasons.most_common(1)[0][0].rstrip(".")
    what = {"text": "Words", "audio": "Voices", "video": "Faces"}[modality]
    share = "all" if count == utterances else f"{count} of {utterances}"
    return f"{what} could not be used for {share} utterances: {reason}."
