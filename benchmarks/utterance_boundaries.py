"""Compare the boundaries of utterances from transcription with a reference.

    python benchmarks/utterance_boundaries.py --reference RTTM SOUND... [--examples] [--as-live]

Utterances are found as in an analysis without subtitles; with ``--as-live`` they start and end with
their words. A reference boundary (a turn of an RTTM file; with ``--examples`` a cue of the example
films' subtitles) is hit if an utterance starts (ends) within 0.3 s of it. Prints the share of hits,
the share of utterance boundaries near a reference boundary, the median distance, and the median
duration of utterances.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
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


def find_utterances(path: Path, *, as_live: bool) -> Spans:
    """Return start and end of every utterance in a recording."""
    find = FromSpeech(as_live=as_live)
    with TemporaryDirectory() as folder, WorkFolder.open(Path(folder), of={}) as work:
        try:
            found = find(path, probe(path), work=work, report=ignore_progress)
        except MediaError:
            return ()
    return [(u.start or 0.0, u.end or 0.0) for u in found.utterances]


def measure(spans: Spans, reference: Spans) -> list[float]:
    """Return the distance of every reference boundary to the nearest one of its kind."""
    distances = []
    for side in (0, 1):
        edges = np.array([span[side] for span in spans] or [np.inf])
        distances += [float(np.abs(edges - true[side]).min()) for true in reference]
    return distances


@dataclass(slots=True, kw_only=True)
class Group:
    """Distances of reference and utterance boundaries, and utterance durations."""

    title: str
    distances: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)

    def add(self, spans: Spans, reference: Spans) -> None:
        """Count the utterances of one recording."""
        self.distances += measure(spans, reference)
        self.own += measure(reference, spans)
        self.lengths += [end - start for start, end in spans]

    def report(self) -> None:
        """Print the figures."""
        hits, own = (100 * np.mean(np.array(v) <= _NEAR) for v in (self.distances, self.own))
        print(
            f"{self.title}: {len(self.distances)} boundaries, {hits:.0f} % within {_NEAR} s, "
            f"median distance {np.median(self.distances):.2f} s; {len(self.lengths)} utterances, "
            f"{own:.0f} % of their boundaries near one, median {np.median(self.lengths):.1f} s",
            flush=True,
        )


def main() -> None:
    """Measure recordings with an RTTM file, and the example videos."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sounds", type=Path, nargs="*")
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("--as-live", action="store_true")
    arguments = parser.parse_args()
    group = Group(title="reference turns")
    for path in arguments.sounds:
        name = path.stem if len(arguments.sounds) > 1 else None
        turns = read_rttm(arguments.reference, recording=name).turns
        spans = find_utterances(path, as_live=arguments.as_live)
        group.add(spans, [(turn.start, turn.end) for turn in turns])
    if arguments.sounds:
        group.report()
    if arguments.examples:
        for film in sorted(EXAMPLES.glob("*.mp4")):
            cues = read_subtitles(film.with_suffix(".srt")).utterances
            group = Group(title=film.name)
            spans = find_utterances(film, as_live=arguments.as_live)
            group.add(spans, [(cue.start or 0.0, cue.end or 0.0) for cue in cues])
            group.report()


if __name__ == "__main__":
    main()
