"""What a reader must know of an analysis as a whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mmerc.conversation import Modality, Utterance
from mmerc.inference.level import FAR
from mmerc.models.base import AnyModel

FEWEST_WORDS = 30
MOST_PIECES = 1.3  # of the tokenizer, a word
FEWEST_LETTERS, MOST_STRANGE = 30, 1 / 4
WORD = re.compile(r"[^\W\d_]+")


def remarks(
    model: AnyModel,
    utterances: Sequence[Utterance],
    absent: Mapping[str, Mapping[Modality, str]],
    *,
    distance: float,
) -> tuple[str, ...]:
    """What is unlike the data that the model was trained on, and what most utterances lack."""
    found = []
    if distance > FAR:
        found.append(
            f"The sound is unlike what the model was trained on (typically {distance:.1f} "
            "deviations away): do not lean on what it says of voices."
        )
    if foreign(model, utterances):
        found.append(
            "Many words are none that the model knows: it was trained on English, and for another "
            "language its emotions mean little."
        )
    for modality in dict.fromkeys(m for reasons in absent.values() for m in reasons):
        reasons = Counter(why[modality] for why in absent.values() if modality in why)
        found += lacking(modality, reasons, of=len(utterances))
    return tuple(found)


def lacking(modality: Modality, reasons: Counter[str], *, of: int) -> list[str]:
    """What to say of a modality that more than half of the utterances lack."""
    count, most = reasons.total(), reasons.most_common(1)[0][0].rstrip(".")
    if count == of and len(reasons) == 1:
        return [f"No utterance has {modality}: {most}."]
    if count > of / 2:
        return [f"{count} of {of} utterances have no {modality} (mostly: {most})."]
    return []


def foreign(model: AnyModel, utterances: Sequence[Utterance]) -> bool:
    """Whether the letters are none of English, or words fall into more pieces than English ones.

    [decided] A quarter of 30 letters or more; above 1.3 pieces a word, over 30 words or more. With
    MiniLM's tokenizer MELD's test dialogues lie between 1.00 and 1.21; sentences of German, French,
    Spanish, Dutch and Finnish between 1.37 and 2.35. What it does not know at all is one piece a
    word, and some scripts know no spaces: of these the letters tell.
    """
    if model.tokenizer is None:
        return False
    letters = [sign for item in utterances for sign in item.text if sign.isalpha()]
    strange = sum(not letter.isascii() for letter in letters)
    if len(letters) >= FEWEST_LETTERS and strange > MOST_STRANGE * len(letters):
        return True
    words = [word for utterance in utterances for word in WORD.findall(utterance.text)]
    if len(words) < FEWEST_WORDS:
        return False
    pieces = model.tokenizer.encode([" ".join(words)], limit=10**6)
    return len(pieces[0]) > MOST_PIECES * len(words)
