"""Remarks on why an analysis as a whole may be unreliable."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mmerc.conversation import Modality, Utterance
from mmerc.inference.levelling import FAR
from mmerc.models.base import AnyModel
from mmerc.models.set_scores import SetScores
from mmerc.prediction.set_request import SetRequest

_MIN_WORDS = 30
_MAX_PIECES = 1.3  # tokens per word
_MIN_LETTERS, _MAX_FOREIGN_LETTERS = 30, 1 / 4
_WORD = re.compile(r"[^\W\d_]+")


def analysis_remarks(
    model: AnyModel,
    utterances: Sequence[Utterance],
    absent: Mapping[str, Mapping[Modality, str]],
    *,
    distance: float,
    sets: SetRequest | None = None,
) -> tuple[str, ...]:
    """Collect remarks on differences from the training data and on widely missing modalities.

    ``absent``: per utterance id, why a modality is absent. ``distance``: between the sound and the
    training data, in standard deviations (``mmerc.inference.levelling``). ``sets``: the requested
    prediction sets.
    """
    remarks = []
    if distance > FAR:
        remarks.append(
            f"The sound differs from the model's training data (typically by {distance:.1f} "
            "standard deviations): voice results may be unreliable."
        )
    distant = bool(remarks)
    unread = all("text" in absent.get(item.id, {}) for item in utterances)
    if not unread and is_foreign(model, utterances):
        remarks.append(
            "Many words are unknown to the model, which was trained on English: in another "
            "language, its predictions mean little."
        )
        distant = True
    if sets is not None and model.set_scores is not None:
        remarks.append(_set_remark(sets, model.set_scores, distant=distant))
    for modality in dict.fromkeys(m for reasons in absent.values() for m in reasons):
        reasons = Counter(why[modality] for why in absent.values() if modality in why)
        remarks += _absence_remarks(modality, reasons, total=len(utterances))
    return tuple(remarks)


def _set_remark(sets: SetRequest, scores: SetScores, *, distant: bool) -> str:
    """Explain how reliable the prediction sets of this recording are."""
    worth = (
        "this recording differs from them, so the sets probably contain the label less often"
        if distant
        else "other recordings may differ"
    )
    return (
        f"Prediction sets ({sets.level:.0%}) are calibrated on {scores.source}: {worth}; "
        "`mmerc adapt` calibrates them with your own labels."
    )


def _absence_remarks(modality: Modality, reasons: Counter[str], *, total: int) -> list[str]:
    """Remark on a modality that more than half of ``total`` utterances lack."""
    count, reason = reasons.total(), reasons.most_common(1)[0][0].rstrip(".")
    if count == total and len(reasons) == 1:
        return [f"No utterance has {modality}: {reason}."]
    if count > total / 2:
        return [f"{count} of {total} utterances have no {modality} (mostly: {reason})."]
    return []


def is_foreign(model: AnyModel, utterances: Sequence[Utterance]) -> bool:
    """Whether the text is probably not English.

    [decided] True if a quarter of the letters (of 30 or more) are not ASCII, or if the tokenizer
    needs more than 1.3 tokens per word (over 30 words or more). With MiniLM's tokenizer, MELD's
    test dialogues need 1.00 to 1.21, and sentences in German, French, Spanish, Dutch and Finnish
    1.37 to 2.35. Letters are needed because an unknown word counts as one token, and some scripts
    have no spaces.
    """
    if model.text_encoder is None:
        return False
    letters = [sign for item in utterances for sign in item.text if sign.isalpha()]
    foreign = sum(not letter.isascii() for letter in letters)
    if len(letters) >= _MIN_LETTERS and foreign > _MAX_FOREIGN_LETTERS * len(letters):
        return True
    words = [word for utterance in utterances for word in _WORD.findall(utterance.text)]
    if len(words) < _MIN_WORDS:
        return False
    counts = Counter(words)
    tokenizer = model.text_encoder.tokenizer
    pieces = map(len, tokenizer.encode(list(counts), limit=tokenizer.longest))
    total = sum(count * tokens for count, tokens in zip(counts.values(), pieces, strict=True))
    return total > _MAX_PIECES * len(words)


def count_words(utterances: Sequence[Utterance]) -> int:
    """Count the words of all utterances."""
    return sum(len(_WORD.findall(utterance.text)) for utterance in utterances)
