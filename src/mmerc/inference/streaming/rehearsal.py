"""Process a second of noise like speech, to check whether a session would work now."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from mmerc.errors import InputError
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.live_results import LiveResults
from mmerc.inference.streaming.open_speech import OpenSpeech
from mmerc.inference.streaming.sound_memory import SoundMemory
from mmerc.media.resampling import SAMPLE_RATE
from mmerc.media.sentences import Word
from mmerc.media.voice_activity import Span
from mmerc.media.voice_network import SpeechStream

_WORD = Word(text="Hello.", start=0.2, end=0.8, speaker="canary")


def rehearse(components: LiveComponents) -> None:
    """Run every network of a session without pictures; their errors are raised.

    This takes about half a second of one core, mostly for the transcriber.
    """
    noise = np.random.default_rng(0).normal(scale=0.01, size=SAMPLE_RATE).astype(np.float32)
    sound = SoundMemory()
    sound.add(noise)
    SpeechStream(components.speech_network).feed(noise)
    results = LiveResults(components.model, lock=components.lock)
    speech = OpenSpeech(components, sound, None, results)
    with suppress(InputError):  # a model of faces only cannot predict here
        speech.end(Span(0.0, sound.seconds))
        speech.add_words([_WORD])
        speech.report_words(everything=True)
