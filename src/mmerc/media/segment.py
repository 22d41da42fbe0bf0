"""The locations of an utterance's sound and pictures, and the error for missing ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmerc.errors import InputError
from mmerc.media.degradation import Blur, FrameLoss, Noise


class MediaError(InputError):
    """A modality that is not available from a file.

    ``reason`` is the kind of problem without the file name ("no sound in the file"), used to
    summarise absent modalities.
    """

    def __init__(self, where: object, reason: str, fix: str = "fix or replace the file") -> None:
        super().__init__(where, reason, fix)
        self.reason = reason

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str, str]]:
        return MediaError, (self.where, self.reason, self.fix)  # for pickling in workers


@dataclass(frozen=True, slots=True)
class Clip:
    """Part of a media file, from ``start`` to ``end`` in seconds; None: start or end of the file.

    ``noise`` is added to the sound on reading (robustness tests).
    """

    path: Path
    start: float | None = None
    end: float | None = None
    noise: Noise | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The media of one utterance.

    ``sound`` and ``film`` are often in one file. ``half``: the half of the picture with the
    speaker. ``pictures``: encoded images (JPEG, PNG) of the speaker's face instead of a film.
    ``loss`` drops frames or pictures, and ``blur`` blurs the faces (robustness tests).
    """

    sound: Clip | None = None
    film: Clip | None = None
    half: Literal["left", "right"] | None = None
    pictures: tuple[bytes, ...] = ()
    loss: FrameLoss | None = None
    blur: Blur | None = None

    def arriving(self, count: int) -> Sequence[int]:
        """Return the indices of the frames or pictures that arrive out of ``count``."""
        return range(count) if self.loss is None else self.loss.arriving(count)
