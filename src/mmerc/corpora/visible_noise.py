"""Random disturbances of each utterance, drawn and recorded when a corpus is prepared.

[decided] All are uniform, and independent of each other and of the label: signal-to-noise ratio of
white noise -10 to 20 dB; 0 to 80 % of frames lost, independently; Gaussian blur of the remaining
faces with a sigma of 0 to 12 % of their side; 0 to 80 % of words dropped, independently, but never
all. Recorded at the end of ``media`` in decibels and percent, as
``#disturbed=noise:-3.2;lost:40;blur:7.5;words:35``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError
from mmerc.media.degradation import Blur, FrameLoss, Noise, drop_words, utterance_seed
from mmerc.media.segment import Segment

_MARK = "#disturbed="
_NOISE, _LOST, _BLUR, _WORDS = (-10.0, 20.0), (0.0, 80.0), (0.0, 12.0), (0.0, 80.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleNoise:
    """The disturbance of one utterance: noise in decibels, the others in percent."""

    noise: float
    lost: float
    blur: float
    words: float

    def __str__(self) -> str:
        return ";".join(f"{name}:{getattr(self, name):g}" for name in self.__slots__)


def disturb_conversation(conversation: Conversation) -> Conversation:
    """Draw and record the disturbance of every utterance, and drop words of its text.

    Sound and faces are disturbed when they are read (``disturb_segment``). Draws depend only on the
    ids of conversation and utterance.
    """
    utterances = tuple(_disturb_utterance(conversation.id, u) for u in conversation.utterances)
    return replace(conversation, utterances=utterances)


def _disturb_utterance(conversation: str, utterance: Utterance) -> Utterance:
    seed = utterance_seed(conversation, utterance.id)
    levels = _draw(seed)
    return replace(
        utterance,
        text=drop_words(utterance.text, levels.words / 100, seed=seed),
        media=f"{utterance.media or ''}{_MARK}{levels}",
    )


def _draw(seed: int) -> VisibleNoise:
    """Draw in steps of 0.1 dB and 0.1 %, so that recorded values are exact."""
    generator = np.random.default_rng([seed, 0])
    noise, lost, blur, words = (
        round(float(generator.uniform(*bounds)), 1) for bounds in (_NOISE, _LOST, _BLUR, _WORDS)
    )
    return VisibleNoise(noise=noise, lost=lost, blur=blur, words=words)


def split_disturbance(media: str) -> tuple[str, VisibleNoise | None]:
    """Split ``media`` into the files and the disturbance (None if there is none).

    InputError if the disturbance cannot be read.
    """
    files, mark, levels = media.partition(_MARK)
    if not mark:
        return files, None
    try:
        named = {
            name: float(value) for name, _, value in (p.partition(":") for p in levels.split(";"))
        }
        return files, VisibleNoise(**named)
    except (TypeError, ValueError) as error:
        problem = f"the disturbance {levels!r} cannot be read"
        raise InputError("the corpus", problem, "prepare it again with --visible-noise") from error


def disturb_segment(
    segment: Segment, levels: VisibleNoise, conversation: str, utterance: str
) -> Segment:
    """Disturb sound and faces of an utterance as recorded."""
    seed = utterance_seed(conversation, utterance)
    sound = segment.sound
    return replace(
        segment,
        sound=None if sound is None else replace(sound, noise=Noise(levels.noise, seed)),
        loss=FrameLoss(levels.lost / 100, seed + 1),  # independent of the dropped words
        blur=Blur(levels.blur / 100),
    )
