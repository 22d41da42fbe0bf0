"""The diarization error rate, computed with pyannote.metrics."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmerc.errors import MmercError
from mmerc.media.speaker_turns import Turn

if TYPE_CHECKING:
    from pyannote.core import Annotation

_COLLAR = 0.25  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizationError:
    """Errors in one or several recordings, in seconds (except numbers of speakers).

    ``speech`` is the reference speech, summed over simultaneous speakers. ``speakers`` and
    ``reference_speakers`` are numbers, None for several recordings.
    """

    recording: str
    speech: float
    missed: float
    false_alarm: float
    confused: float
    speakers: int | None
    reference_speakers: int | None

    @property
    def rate(self) -> float | None:
        """Errors in percent of the speech (may exceed 100); None without speech."""
        errors = self.missed + self.false_alarm + self.confused
        return 100 * errors / self.speech if self.speech else None


def measure_diarization(
    recording: str,
    reference: Sequence[Turn],
    turns: Sequence[Turn],
    *,
    duration: float,
    collar: float = _COLLAR,
) -> DiarizationError:
    """Compare turns with those of a reference, overlapping speech included.

    Speakers are matched optimally. ``collar`` seconds around every reference boundary (half on each
    side) and everything after ``duration`` seconds are ignored. MmercError if pyannote.metrics is
    not installed.
    """
    try:
        from pyannote.core import Segment, Timeline
        from pyannote.metrics.diarization import DiarizationErrorRate
    except ImportError as error:
        raise MmercError(
            "Evaluating speakers needs pyannote.metrics; install it with: "
            "pip install 'mmerc[speakers]'."
        ) from error
    metric = DiarizationErrorRate(collar=collar, skip_overlap=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = metric(
            _annotate(reference), _annotate(turns), uem=Timeline([Segment(0, duration)]),
            detailed=True,
        )  # fmt: skip
    return DiarizationError(
        recording=recording,
        speech=float(parts["total"]),
        missed=float(parts["missed detection"]),
        false_alarm=float(parts["false alarm"]),
        confused=float(parts["confusion"]),
        speakers=len({turn.speaker for turn in turns}),
        reference_speakers=len({turn.speaker for turn in reference}),
    )


def pool_errors(errors: Sequence[DiarizationError]) -> DiarizationError:
    """Sum the errors of several recordings."""
    return DiarizationError(
        recording="all",
        speech=sum(error.speech for error in errors),
        missed=sum(error.missed for error in errors),
        false_alarm=sum(error.false_alarm for error in errors),
        confused=sum(error.confused for error in errors),
        speakers=None,
        reference_speakers=None,
    )


def _annotate(turns: Sequence[Turn]) -> Annotation:
    """Convert turns to pyannote's format."""
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for number, turn in enumerate(turns):
        annotation[Segment(turn.start, turn.end), number] = turn.speaker
    return annotation
