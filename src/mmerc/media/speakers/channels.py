"""Speaker turns of recordings with one speaker per channel, as of telephone calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.media.channel_mix import ChannelMix, probe_frames, to_channels
from mmerc.media.container import open_media, sound_stream
from mmerc.media.resampling import Samples
from mmerc.media.segment import MediaError
from mmerc.media.speaker_turns import Turn
from mmerc.media.turn_edges import merge_intervals
from mmerc.media.voice_activity import SpanCutter, read_pieces
from mmerc.media.voice_network import FRAME, Probabilities, speech_probabilities

Powers = NDArray[np.float64]
_APART = 10**1.2  # power ratio (12 dB) above which the louder channel alone is heard
_LOUD = 10**-3.0  # share of the loudest moments' power (-30 dB) above which somebody speaks
_MOST, _SOME = 0.8, 0.1  # shares of the loud moments: channels apart; a channel alone
_PROBE_LENGTH = 0.05  # seconds
_SMOOTHING = 7  # frames (0.2 s), as dips within words do not make a channel quiet
_PAUSE = 0.3  # seconds of silence within one turn


def find_channel_turns(path: Path) -> tuple[Turn, ...]:
    """Find the turns of CHANNEL_1, CHANNEL_2, ..., where each channel has its own speech.

    Speech that is 12 dB louder in another channel is its crosstalk and left out. MediaError if
    there is only one channel, or the channels have the same sound.
    """
    count = _count_channels(path)
    if count < 2:
        problem = "it has a single channel of sound"
        raise MediaError(path, problem, "find speakers by voice (without --diarizer channels)")
    if _shares_alone(path).sum() < _SOME:
        problem = "its channels have the same sound"
        raise MediaError(path, problem, "find speakers by voice (without --diarizer channels)")
    heard = [_hear_channel(path, channel) for channel in range(count)]
    loudest = np.max([powers for _, powers in heard], axis=0)
    turns = [
        Turn(speaker=f"CHANNEL_{number}", start=round(start, 3), end=round(end, 3))
        for number, (probabilities, powers) in enumerate(heard, start=1)
        for start, end in _find_spans(np.where(loudest > _APART * powers, 0.0, probabilities))
    ]
    return tuple(sorted(turns, key=lambda turn: (turn.start, turn.end)))


def has_speaker_per_channel(path: Path) -> bool:
    """Whether two channels or more speak by turns, in eight parts of four seconds.

    **[decided]** In 80 % of the loud moments one channel is 12 dB louder than all others, and at
    least two channels are that for 10 %. False if the sound cannot be read.
    """
    shares = _shares_alone(path)
    return bool(shares.sum() >= _MOST and (shares >= _SOME).sum() > 1)


def channel_remarks(path: Path) -> tuple[str, ...]:
    """Remark on a recording with one speaker per channel, whose channels are mixed."""
    if not has_speaker_per_channel(path):
        return ()
    return (
        "The channels have different speakers, as in a recorded call; to tell speakers apart by "
        "channel, pass --diarizer channels.",
    )


def _count_channels(path: Path) -> int:
    with open_media(path) as container:
        return sound_stream(container, path).layout.nb_channels


def _probe_powers(path: Path) -> Iterator[Powers]:
    """Yield the mean power of every 50 ms by channel. Shape: -> [moments, channels]."""
    waiting: NDArray[np.float64] | None = None
    for frame in probe_frames(path):
        channels = to_channels(frame)
        if waiting is not None and len(waiting) == len(channels):
            channels = np.concatenate([waiting, channels], axis=1)
        length = max(round(frame.sample_rate * _PROBE_LENGTH), 1)
        whole = channels.shape[1] // length
        blocks = channels[:, : whole * length].reshape(len(channels), whole, length)
        yield np.square(blocks).mean(2).T
        waiting = channels[:, whole * length :]


def _shares_alone(path: Path) -> Powers:
    """Return the share of loud moments in which each channel is far louder than all others.

    Shape: -> [channels]; zeros if the sound cannot be read or has one channel.
    """
    parts = list(_probe_powers(path))
    width = max((part.shape[1] for part in parts), default=0)
    powers = np.concatenate([np.zeros((0, width)), *(p for p in parts if p.shape[1] == width)])
    loud = powers[powers.max(axis=1, initial=0.0) > _LOUD * powers.max(initial=0.0)]
    if width < 2 or not len(loud):
        return np.zeros(width)
    ordered = np.sort(loud, axis=1)
    alone = ordered[:, -1] > _APART * ordered[:, -2]
    return np.bincount(loud.argmax(1)[alone], minlength=width) / len(loud)


def _hear_channel(path: Path, channel: int) -> tuple[Probabilities, Powers]:
    """Return a channel's speech probability and smoothed power by frame. Shape: [frames] each."""
    powers: list[Powers] = []
    sound = _keep_powers(read_pieces(path, mix=ChannelMix(channel=channel)), powers)
    probabilities = np.concatenate([np.zeros(0, np.float32), *speech_probabilities(sound)])
    smooth = np.convolve(np.concatenate(powers), np.ones(_SMOOTHING) / _SMOOTHING, mode="same")
    return probabilities, smooth[: len(probabilities)]


def _keep_powers(sound: Iterable[Samples], powers: list[Powers]) -> Iterator[Samples]:
    """Pass sound on, and add the mean power of its whole frames to ``powers``."""
    rest = np.zeros(0, np.float32)
    for piece in sound:
        rest = np.concatenate([rest, piece])
        whole = len(rest) // FRAME * FRAME
        powers.append(np.square(rest[:whole].reshape(-1, FRAME), dtype=np.float64).mean(1))
        rest = rest[whole:]
        yield piece


def _find_spans(probabilities: Probabilities) -> list[tuple[float, float]]:
    """Return start and end of speech in seconds; short pauses are closed."""
    cutter = SpanCutter()
    spans = [*cutter.feed(probabilities), *cutter.finish()]
    return merge_intervals(((span.start, span.end) for span in spans), _PAUSE)
