"""``mmerc evaluate-speakers``: measure diarization on recordings with known turns."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmerc.cli.analysis_options import DiarizerOption, SpeakersOption
from mmerc.cli.output import JsonOption, percent, print_json, print_table, remark

if TYPE_CHECKING:
    from mmerc.evaluation.diarization_error import DiarizationError

EXAMPLES = (
    "mmerc evaluate-speakers call.flac --reference call.rttm",
    "mmerc evaluate-speakers meetings/*.flac --reference meetings.rttm",
)


def evaluate_speakers(
    recordings: Annotated[list[Path], typer.Argument(help="Audio or video files.")],
    reference: Annotated[Path, typer.Option(help="RTTM file with the true turns.")],
    speakers: SpeakersOption = None,
    turns: Annotated[
        Path | None, typer.Option(help="RTTM file to evaluate (default: find the speakers).")
    ] = None,
    diarizer: DiarizerOption = "mmerc",
    collar: Annotated[
        float, typer.Option(min=0, help="Seconds left out around each boundary.")
    ] = 0.25,
    as_json: JsonOption = False,
) -> None:
    """Measure the diarization error rate.

    The reference may have turns of one recording, or of several that are named like the files.
    Overlapping speech counts. Needs the extra `speakers`.
    """
    from mmerc.evaluation.diarization_error import measure_diarization, pool_errors
    from mmerc.media.decode import SAMPLE_RATE, probe, read_sound
    from mmerc.media.speaker_turns import read_rttm
    from mmerc.media.speakers.clustering import SpeakerCount
    from mmerc.media.speakers.diarizers import diarize

    count = SpeakerCount() if speakers is None else SpeakerCount.parse(speakers)
    errors: list[DiarizationError] = []
    remarks: list[str] = []
    for path in recordings:
        name = path.stem if len(recordings) > 1 else None
        true = read_rttm(reference, recording=name)
        estimated = None if turns is None else read_rttm(turns, recording=name)
        hypothesis = (
            diarize(path, count=count, diarizer=diarizer) if estimated is None else estimated.turns
        )
        remarks += [*true.remarks, *(estimated.remarks if estimated else ())]
        duration = probe(path).duration or len(read_sound(path)) / SAMPLE_RATE
        errors.append(
            measure_diarization(path.stem, true.turns, hypothesis, duration=duration, collar=collar)
        )
    for line in dict.fromkeys(remarks):
        remark(f"note: {line}")
    total = [pool_errors(errors)] if len(errors) > 1 else []
    if as_json:
        print_json([asdict(error) | {"rate": error.rate} for error in [*errors, *total]])
        return
    columns = ["recording", "error %", "missed s", "false s", "confused s", "speech s", "speakers"]
    print_table(columns, [_row(error) for error in [*errors, *total]])


def _row(error: DiarizationError) -> list[str]:
    """Build a row of the table."""
    counts = "" if error.speakers is None else f"{error.speakers} of {error.reference_speakers}"
    seconds = (error.missed, error.false_alarm, error.confused, error.speech)
    return [error.recording, percent(error.rate), *(f"{value:.2f}" for value in seconds), counts]
