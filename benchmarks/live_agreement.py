"""Does a live session give the same results as `analyze --live`?

    python benchmarks/live_agreement.py examples/*.mp4 DATA/speech DATA/speech/ami

Recordings, or folders of them, are fed in pieces of 0.1 s (films with five pictures per second),
and also analysed offline with the same model. Each utterance of the analysis is compared with the
live utterance of largest overlap. Boundaries are the same if starts and ends differ by at most 0.1
s. Prints the share of equal labels among all utterances and among those with the same boundaries,
per recording and in total, and the cause of every difference:

    boundaries  different segmentation of the words
    words       same times, different words (a word at a boundary)
    speaker     same times and words, different speaker
    past        equal utterance, but an earlier one differs
    model       earlier utterances are equal too: frames or numerics

Live speakers are mapped to the speaker of largest overlap. ``--out`` writes everything as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmerc.errors import MmercError
from mmerc.inference.pipeline import Pipeline
from mmerc.inference.pipeline.utterance_sources import FromSpeech
from mmerc.inference.streaming.events import Correction, LiveUtterance
from mmerc.inference.streaming.file_player import play_file
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.session import LiveSession
from mmerc.prediction.utterance_prediction import UtterancePrediction

SAME_TIME = 0.1  # seconds
SOUNDS = {".mp4", ".mpg", ".mkv", ".webm", ".flac", ".wav", ".mp3", ".opus", ".ogg", ".m4a"}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An utterance of the analysis, and the live one with the largest overlap."""

    offline: UtterancePrediction
    live: LiveUtterance | None
    differs: str  # "" if the times, the words and the speaker are the same

    @property
    def equal(self) -> bool:
        return self.live is not None and self.live.emotion == self.offline.label


def follow(components: LiveComponents, path: Path) -> tuple[LiveSession, int]:
    """Play a recording; return the session and the number of its corrections."""
    session, corrections = LiveSession(components), 0
    for moment in play_file(path, pictures_per_second=session.settings.pictures_per_second):
        for seconds, picture in moment.pictures:
            session.feed_picture(seconds, picture)
        corrections += count_corrections(session.feed_sound(moment.sound))
    corrections += count_corrections(session.finish())
    return session, corrections


def count_corrections(events: Sequence[object]) -> int:
    return sum(isinstance(event, Correction) for event in events)


def analyse(components: LiveComponents, path: Path) -> Sequence[UtterancePrediction]:
    """Return the predictions of `analyze --live` for a recording."""
    model = components.model
    pipeline = Pipeline(
        model=model.model,
        name=model.name,
        extractors=model.extractors,
        find=FromSpeech(whisper=components.whisper, language=components.language, as_live=True),
        workers=1,
        live=True,
    )
    return pipeline(path).predictions


def shared(offline: UtterancePrediction, live: LiveUtterance) -> float:
    """Return the overlap of two utterances in seconds."""
    return min(offline.end or 0.0, live.end) - max(offline.start or 0.0, live.start)


def compare(offline: Sequence[UtterancePrediction], live: Sequence[LiveUtterance]) -> list[Pair]:
    people = match_speakers(offline, live)
    pairs = []
    for item in offline:
        nearest = max(live, key=lambda other: shared(item, other), default=None)
        if nearest is not None and shared(item, nearest) <= 0:
            nearest = None
        pairs.append(Pair(offline=item, live=nearest, differs=difference(item, nearest, people)))
    return pairs


def match_speakers(
    offline: Sequence[UtterancePrediction], live: Sequence[LiveUtterance]
) -> Mapping[str, str]:
    """Map each live speaker to the speaker of largest overlap."""
    seconds: dict[str, Counter[str]] = {}
    for item in live:
        for other in offline:
            counts = seconds.setdefault(item.speaker, Counter())
            counts[other.speaker] += max(shared(other, item), 0.0)  # type: ignore[assignment]
    return {name: counts.most_common(1)[0][0] for name, counts in seconds.items() if counts}


def difference(
    offline: UtterancePrediction, live: LiveUtterance | None, people: Mapping[str, str]
) -> str:
    """Return the difference apart from the emotion."""
    if live is None:
        return "boundaries"
    apart = abs((offline.start or 0.0) - live.start), abs((offline.end or 0.0) - live.end)
    if max(apart) > SAME_TIME:
        return "boundaries"
    if offline.text != live.text:
        return "words"
    return "" if people.get(live.speaker) == offline.speaker else "speaker"


def explain(pairs: Sequence[Pair]) -> Iterator[dict[str, object]]:
    """Yield every pair with different labels, with the cause."""
    changed = False
    for pair in pairs:
        if not pair.equal:
            yield {
                "at": pair.offline.start,
                "text": pair.offline.text,
                "analyze": describe(pair.offline.label, pair.offline.probabilities),
                "live": pair.live and describe(pair.live.emotion, pair.live.probabilities),
                "cause": pair.differs or ("past" if changed else "model"),
            }
        changed = changed or bool(pair.differs)


def describe(label: str, probabilities: Mapping[str, float]) -> str:
    return f"{label} {100 * probabilities[label]:.0f}%"


def summarise(pairs: Sequence[Pair]) -> dict[str, object]:
    same = [pair for pair in pairs if pair.differs != "boundaries"]
    return {
        "utterances": len(pairs),
        "equal_labels": share(pair.equal for pair in pairs),
        "same_boundaries": len(same),
        "equal_labels_there": share(pair.equal for pair in same),
        "equal_speakers_there": share(pair.differs != "speaker" for pair in same),
    }


def share(hits: Iterator[bool]) -> str:
    outcomes = list(hits)
    percent = 100 * sum(outcomes) / max(len(outcomes), 1)
    return f"{sum(outcomes)} of {len(outcomes)} ({percent:.1f} %)"


def find_recordings(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings, including those directly in folders."""
    inside = [sorted(path.iterdir()) if path.is_dir() else [path] for path in paths]
    return [path for group in inside for path in group if path.suffix in SOUNDS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--whisper", default="tiny.en")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    components = LiveComponents.load(given.model, whisper=given.whisper)
    everything: list[Pair] = []
    details = {}
    for path in find_recordings(given.recordings):
        clock = time.process_time()
        try:
            session, corrections = follow(components, path)
            used, clock = time.process_time() - clock, time.process_time()
            offline = analyse(components, path)
        except MmercError as error:
            print(f"{path.name}: {error}", flush=True)
            continue
        cost = {"live": used, "analyze": time.process_time() - clock}
        pairs = compare(offline, session.utterances())
        everything += pairs
        result = {"recording": path.name, "seconds": round(session.seconds, 1), **summarise(pairs)}
        result |= {"live_utterances": len(session.utterances()), "corrections": corrections}
        result |= {f"cpu_{k}": round(v / session.seconds, 2) for k, v in cost.items()}
        details[path.name] = result | {"differences": list(explain(pairs))}
        print(json.dumps(details[path.name], ensure_ascii=False), flush=True)
    causes = Counter(item["cause"] for one in details.values() for item in one["differences"])
    print(json.dumps({"all": summarise(everything), "differences": causes}))
    if given.out is not None:
        given.out.write_text(json.dumps(details, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
