"""Where the sound and the pictures of one utterance are, and why it may have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmerc.errors import InputError
from mmerc.media.degradation import Blur, FrameLoss, Noise


class MediaError(InputError):
    """A modality that is not available from a file.

    ``reason`` names the kind of trouble without the file ("no sound in the file"): absent
    modalities are summed up by it.
    """

    def __init__(self, where: object, reason: str, fix: str = "fix or replace the file") -> None:
        super().__init__(where, reason, fix)
        self.reason = reason

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str, str]]:
        return MediaError, (self.where, self.reason, self.fix)  # as it comes back from a worker


@dataclass(frozen=True, slots=True)
class Clip:
    """Part of a media file, from ``start`` to ``end`` in seconds; None is the file's own end.

    ``noise`` is added to its sound when it is read (tests of robustness).
    """

    path: Path
    start: float | None = None
    end: float | None = None
    noise: Noise | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The media of one utterance.

    ``sound`` and ``film`` are often in one file; ``half`` is the half of the picture in which the
    speaker sits; ``pictures`` are encoded images (JPEG, PNG) of the speaker's face in place of a
    film. ``loss`` takes frames or pictures away before they are used, and ``blur`` blurs the faces
    (tests of robustness).
    """

    sound: Clip | None = None
    film: Clip | None = None
    half: Literal["left", "right"] | None = None
    pictures: tuple[bytes, ...] = ()
    loss: FrameLoss | None = None
    blur: Blur | None = None

    def arriving(self, count: int) -> Sequence[int]:
        """Positions of those of ``count`` frames or pictures that arrive."""
        return range(count) if self.loss is None else self.loss.arriving(count)
