"""Where utterances of recognised speech begin and end, against a reference.

    python benchmarks/utterance_boundaries.py --reference RTTM SOUND... [--examples]

Utterances are found as in an analysis without subtitles. A boundary of the reference (a turn of an
RTTM file; with ``--examples`` a cue of the example films' subtitles) is hit if an utterance begins
(ends) within 0.3 s of it. Prints the share of hits, the median distance, and the median length of
an utterance.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mmerc.inference.pipeline.progress import ignore_progress
from mmerc.inference.pipeline.utterance_sources import FromSpeech
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import probe
from mmerc.media.segment import MediaError
from mmerc.media.speaker_turns import read_rttm
from mmerc.media.subtitles import read_subtitles

EXAMPLES = Path(__file__).parents[1] / "examples"
_NEAR = 0.3
Spans = Sequence[tuple[float, float]]


def find_utterances(path: Path) -> Spans:
    """Start and end of every utterance in a recording."""
    with TemporaryDirectory() as folder, WorkFolder.open(Path(folder), of={}) as work:
        try:
            found = FromSpeech()(path, probe(path), work=work, report=ignore_progress)
        except MediaError:
            return ()
    return [(u.start or 0.0, u.end or 0.0) for u in found.utterances]


def measure(spans: Spans, reference: Spans) -> list[float]:
    """The distance of every boundary of the reference to the nearest one of its kind."""
    distances = []
    for side in (0, 1):
        edges = np.array([span[side] for span in spans] or [np.inf])
        distances += [float(np.abs(edges - true[side]).min()) for true in reference]
    return distances


def report(title: str, distances: Sequence[float], lengths: Sequence[float]) -> None:
    """Print the figures of a group."""
    values = np.array(distances)
    print(
        f"{title}: {len(values)} boundaries, {100 * np.mean(values <= _NEAR):.0f} % within "
        f"{_NEAR} s, median distance {np.median(values):.2f} s; "
        f"{len(lengths)} utterances, median {np.median(lengths):.1f} s",
        flush=True,
    )


def main() -> None:
    """Measure sounds against an RTTM file, and the example films."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sounds", type=Path, nargs="*")
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--examples", action="store_true")
    arguments = parser.parse_args()
    distances, lengths = [], []
    for path in arguments.sounds:
        name = path.stem if len(arguments.sounds) > 1 else None
        turns = read_rttm(arguments.reference, recording=name).turns
        spans = find_utterances(path)
        distances += measure(spans, [(turn.start, turn.end) for turn in turns])
        lengths += [end - start for start, end in spans]
    if arguments.sounds:
        report("reference turns", distances, lengths)
    if arguments.examples:
        for film in sorted(EXAMPLES.glob("*.mp4")):
            cues = read_subtitles(film.with_suffix(".srt")).utterances
            spans = find_utterances(film)
            true = [(cue.start or 0.0, cue.end or 0.0) for cue in cues]
            report(film.name, measure(spans, true), [end - start for start, end in spans])


if __name__ == "__main__":
    main()
