"""How many labels change with recognised instead of true words?

    python benchmarks/words_matter.py RAVDESS [--clips 120] [--whisper tiny.en]

RAVDESS's clips contain one of two sentences. Every clip is an utterance of a recording of its
actor, once with the true sentence and once with Whisper's transcript; both use the voice, and
mmerc-mini predicts the emotion. The example films are predicted with their subtitles and with
recognised words at the same times. Prints the number of wrong words and changed labels, and how
many of the changes are in utterances with a doubtful word.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from mmerc.conversation import Conversation, Utterance
from mmerc.features.extraction import Task
from mmerc.features.recordings import recording_task
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureRow, FeatureTable
from mmerc.inference.pipeline import Pipeline
from mmerc.media.decode import probe
from mmerc.media.segment import Clip, Segment
from mmerc.media.subtitles import read_subtitles
from mmerc.media.transcription import Transcriber
from mmerc.media.voice_activity import Span

FILMS = Path(__file__).parents[1] / "examples"
SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
DOUBTFUL = 0.5
_EMOTIONS = ("01", "03", "04", "05", "06", "07", "08")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An utterance with its true and recognised words."""

    true: Utterance
    recognised: Utterance
    doubtful: bool


def hear(transcriber: Transcriber, path: Path, span: Span, utterance: Utterance) -> Heard:
    """Transcribe an utterance's span of a file."""
    items = list(transcriber.transcribe(path, [span]))
    words = [word for item in items for word in item.words]
    text = " ".join(item.text.strip() for item in items)
    doubtful = any(word.probability < DOUBTFUL for word in words) or not words
    return Heard(true=utterance, recognised=replace(utterance, text=text), doubtful=doubtful)


def count_errors(heard: Sequence[Heard]) -> tuple[int, int]:
    """Return the number of true words without a counterpart, and of all true words."""
    wrong = total = 0
    for item in heard:
        true, recognised = _split(item.true.text), _split(item.recognised.text)
        blocks = SequenceMatcher(None, true, recognised, autojunk=False).get_matching_blocks()
        wrong += len(true) - sum(block.size for block in blocks)
        total += len(true)
    return wrong, total


def _split(text: str) -> list[str]:
    """Split into words without case and punctuation."""
    return re.sub(r"[^a-z0-9' ]", "", text.lower()).split()


def extract(tasks: Sequence[Task], extractor: NamedExtractor) -> FeatureTable:
    """Extract the vectors of one modality."""
    built = extractor()
    rows = []
    for task in tasks:
        vector = built.extract(task.segment)
        vector = vector if isinstance(vector, np.ndarray) else None
        rows.append(
            FeatureRow(conversation=task.conversation, utterance=task.utterance, vector=vector)
        )
    return FeatureTable.of(built.spec, rows)


def report(
    title: str, pipeline: Pipeline, heard: Sequence[Heard], name: str, tasks: Sequence[Task]
) -> None:
    """Predict with both kinds of words and print the changes."""
    tables = {modality: extract(tasks, e) for modality, e in pipeline.extractors.items()}
    pick: tuple[Callable[[Heard], Utterance], ...] = (lambda h: h.true, lambda h: h.recognised)
    labels = [
        [p.label for p in pipeline.predict([Conversation(id=name, utterances=tuple(u))], tables)]
        for u in (map(choice, heard) for choice in pick)
    ]
    changed = [a != b for a, b in zip(*labels, strict=True)]
    other = [_split(item.true.text) != _split(item.recognised.text) for item in heard]
    wrong, total = count_errors(heard)
    marked = sum(c and item.doubtful for c, item in zip(changed, heard, strict=True))
    print(
        f"{title}: {len(heard)} utterances, {wrong} of {total} words wrong in {sum(other)} "
        f"utterances; {sum(changed)} labels change, {marked} of them in utterances with a doubtful "
        f"word ({sum(item.doubtful for item in heard)} utterances have one)"
    )


def read_clips(folder: Path, transcriber: Transcriber, count: int) -> list[tuple[Path, Heard]]:
    """Transcribe every n-th clip, in order of actors."""
    paths = [p for p in sorted(folder.glob("*.flac")) if p.stem.split("-")[2] in _EMOTIONS]
    paths.sort(key=lambda path: path.stem.split("-")[-1])
    chosen = paths[:: max(1, len(paths) // count)][:count]
    clips = []
    for path in chosen:
        fields = path.stem.split("-")
        said = Utterance(id=path.stem, speaker=fields[-1], text=SENTENCES[fields[4]])
        span = Span(0.0, probe(path).duration or 0.0)
        clips.append((path, hear(transcriber, path, span, said)))
    return clips


def main() -> None:
    """Measure RAVDESS and the example videos."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--whisper", default="tiny.en")
    arguments = parser.parse_args()
    transcriber = Transcriber(arguments.whisper)
    pipeline = Pipeline.from_pretrained()
    for film in (FILMS / "phone-call.mp4", FILMS / "photograph.mp4"):
        cues = read_subtitles(film.with_suffix(".srt")).utterances
        heard = [hear(transcriber, film, Span(c.start or 0, c.end or 0), c) for c in cues]
        tasks = [recording_task(film, cue) for cue in cues]
        report(film.name, pipeline, heard, tasks[0].conversation, tasks)
    clips = read_clips(arguments.ravdess, transcriber, arguments.clips)
    tasks = [
        Task(conversation="ravdess", utterance=path.stem, segment=Segment(sound=Clip(path)))
        for path, _ in clips
    ]
    report("RAVDESS", pipeline, [item for _, item in clips], "ravdess", tasks)


if __name__ == "__main__":
    main()
