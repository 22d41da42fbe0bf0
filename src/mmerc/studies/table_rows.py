"""The rows of a recording in each table of a study."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from mmerc.conversation import MODALITIES
from mmerc.studies.resampling import wilson_interval
from mmerc.studies.study_recordings import StudyRecording

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRows:
    """The rows of a finished recording, by table.

    ``columns``: study columns with values. ``record``: the stored record of the recording.
    ``predictions``: its utterances' predictions, in order.
    """

    recording: StudyRecording
    columns: Mapping[str, Any]
    record: Mapping[str, Any]
    predictions: Sequence[Mapping[str, Any]]

    def utterances(self) -> Iterator[_Row]:
        """Yield one row per utterance."""
        for item in self.predictions:
            yield self._shared(item["speaker"]) | {
                "conversation": item["conversation"],
                "utterance": item["id"],
                "start": item["start"],
                "end": item["end"],
                "words": _count_words([item]),
                "text": item["text"],
                "overlap": item.get("overlap"),
                "doubtful_words": " ".join(item.get("doubtful_words", ())),
                "emotion": item["label"],
                "emotions": "|".join(item.get("emotions") or ()) or None,
                "unsure": item.get("unsure"),
                **{f"probability_{k}": p for k, p in item["probabilities"].items()},
                **{f"present.{m}": self._is_present(m, item) for m in MODALITIES},
                **_flatten(item, "weights", "effects", "layer_weights", "left_out"),
                **{k: item[k] for k in ("similarity", "context_weight", "context_effect")},
            }

    def recordings(self) -> Iterator[_Row]:
        """Yield one row for the whole recording."""
        absences = {m: [not self._is_present(m, p) for p in self.predictions] for m in MODALITIES}
        yield {
            "recording": self.recording.name,
            **self.columns,
            **{key: self.record[key] for key in ("file", "duration", "model", "mmerc")},
            "utterances": len(self.predictions),
            "words": _count_words(self.predictions),
            "speakers": self._count_speakers(),
            "speaking_time": _sum_times(self.predictions),
            **{f"share_{k}": share for k, share in self._shares(self.predictions).items()},
            **{f"absent_{m}": sum(a) / max(len(a), 1) for m, a in absences.items()},
            "words_from": self.record["words_from"],
            "remarks": " ".join([*self.record["remarks"], *self._participant_remarks()]),
        }

    def speakers(self) -> Iterator[_Row]:
        """Yield one row per speaker, in alphabetical order."""
        by_name = sorted(self.predictions, key=lambda item: str(item["speaker"]))
        for speaker, group in groupby(by_name, key=lambda item: str(item["speaker"])):
            predictions = list(group)
            shares = self._shares(predictions)
            row = self._shared(speaker) | {
                "utterances": len(predictions),
                "words": _count_words(predictions),
                "speaking_time": _sum_times(predictions),
                "entropy": _entropy_bits(list(shares.values())),
            }
            for label, share in shares.items():
                low, high = wilson_interval(share, len(predictions))
                mean = math.fsum(p["probabilities"][label] for p in predictions) / len(predictions)
                row |= {
                    f"share_{label}": share,
                    f"share_{label}_low": round(low, 6),
                    f"share_{label}_high": round(high, 6),
                    f"mean_probability_{label}": round(mean, 6),
                }
            yield row

    def transitions(self) -> Iterator[_Row]:
        """Yield one row per pair of consecutive speakers and emotions."""
        counts: Counter[tuple[str, str, str, str]] = Counter()
        for earlier, later in pairwise(self.predictions):
            if earlier["conversation"] == later["conversation"] and not self._is_cut(
                earlier, later
            ):
                speakers = str(earlier["speaker"]), str(later["speaker"])
                counts[*speakers, earlier["label"], later["label"]] += 1
        totals: Counter[tuple[str, ...]] = Counter()
        for key, count in counts.items():
            totals[key[:3]] += count
        names = ("from_speaker", "to_speaker", "from_emotion", "to_emotion")
        for key, count in sorted(counts.items()):
            yield {
                "recording": self.recording.name,
                **dict(zip(names, key, strict=True)),
                "count": count,
                "conditional_probability": count / totals[key[:3]],
            }

    def _shared(self, speaker: str) -> _Row:
        """Return the common columns of a speaker's rows."""
        participant = self.recording.participant_by_speaker(speaker)
        keys = {"recording": self.recording.name, "speaker": speaker, "participant": participant}
        return {**self.columns, **keys}

    def _participant_remarks(self) -> list[str]:
        """Remark if one participant counts as several speakers."""
        participant, count = self.columns.get("participant"), self._count_speakers()
        if not participant or self.recording.participants or count == 1:
            return []
        return [
            f"Participant {participant} counts as all {count} speakers; say in study.yaml "
            "(speakers) who they are."
        ]

    def _count_speakers(self) -> int:
        """Count the speakers."""
        return len({item["speaker"] for item in self.predictions})

    def _is_present(self, modality: str, item: Mapping[str, Any]) -> bool:
        """Whether the model used a modality of an utterance."""
        absent = self.record["absent"].get(item["id"], {})
        empty = modality == "text" and not str(item["text"]).strip()
        return modality in self.record["modalities"] and modality not in absent and not empty

    def _is_cut(self, earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
        """Whether there is an excluded part between two utterances."""
        start, end = earlier["start"], later["start"]
        return any(
            start is not None and end is not None and part[0] < end and part[1] > start
            for part in self.recording.exclude
        )

    def _shares(self, predictions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Compute the share of each emotion."""
        counts = Counter(item["label"] for item in predictions)
        return {k: counts[k] / max(len(predictions), 1) for k in self.record["labels"]}


def _entropy_bits(shares: Sequence[float]) -> float:
    """Compute the Shannon entropy in bits."""
    return round(-math.fsum(p * math.log2(p) for p in shares if p > 0) + 0.0, 6)


def _count_words(predictions: Sequence[Mapping[str, Any]]) -> int:
    """Count the words, split at spaces."""
    return sum(len(str(item["text"]).split()) for item in predictions)


def _sum_times(predictions: Sequence[Mapping[str, Any]]) -> float | None:
    """Sum the durations of utterances in seconds; None if a start or end is missing."""
    times = [(item["start"], item["end"]) for item in predictions]
    if any(start is None or end is None for start, end in times):
        return None
    return round(math.fsum(end - start for start, end in times), 3)


def _flatten(item: Mapping[str, Any], *names: str) -> _Row:
    """Flatten nested values to columns such as ``weights.text``."""
    return {f"{name}.{key}": value for name in names for key, value in item[name].items()}
