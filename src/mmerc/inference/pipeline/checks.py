"""What a reader must know of an analysis as a whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mmerc.conversation import Modality, Utterance
from mmerc.inference.pipeline.level import FAR
from mmerc.models.base import AnyModel

FEWEST_WORDS = 30
MOST_PIECES = 1.4  # of the tokenizer, a word
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
    for modality, lacking in Counter(m for reasons in absent.values() for m in reasons).items():
        if lacking > len(utterances) / 2:
            reasons = Counter(why[modality] for why in absent.values() if modality in why)
            most = reasons.most_common(1)[0][0]
            found.append(
                f"{lacking} of {len(utterances)} utterances have no {modality} (mostly: {most})."
            )
    return tuple(found)


def foreign(model: AnyModel, utterances: Sequence[Utterance]) -> bool:
    """Whether words fall into more pieces than English ones do.

    [decided] Above 1.4 pieces a word, over 30 words or more. With MiniLM's tokenizer MELD's test
    dialogues lie between 1.00 and 1.21; sentences of German, French, Spanish, Dutch and Finnish
    between 1.64 and 2.35.
    """
    words = [word for utterance in utterances for word in WORD.findall(utterance.text)]
    if model.tokenizer is None or len(words) < FEWEST_WORDS:
        return False
    pieces = model.tokenizer.encode([" ".join(words)], limit=10**6)
    return len(pieces[0]) > MOST_PIECES * len(words)
