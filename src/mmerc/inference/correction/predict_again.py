"""Predict again the lines whose words, speaker or times were edited."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError
from mmerc.files import fingerprint
from mmerc.inference.analysis import Marks, mark_labels
from mmerc.inference.correction.correction_log import CorrectionLog
from mmerc.inference.correction.edited_lines import EditedLine
from mmerc.inference.correction.edits import PredictEdit
from mmerc.inference.pipeline.pipeline import Pipeline
from mmerc.inference.pipeline.progress import Hook, ignore_progress
from mmerc.inference.pipeline.segmentation import Segmentation
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromLines:
    """An utterance source with the corrected utterances of a recording."""

    utterances: tuple[Utterance, ...]

    def settings(self) -> dict[str, Any]:
        return {"lines": fingerprint([asdict(item) for item in self.utterances])}

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation:
        return Segmentation(utterances=self.utterances)


def predict_again(
    log: CorrectionLog,
    pipeline: Pipeline,
    *,
    recording: str | Path | None = None,
    report: Hook = ignore_progress,
) -> int:
    """Predict the lines whose words, speaker or times were edited; return their number.

    The model sees the whole corrected recording without excluded lines. Only the predictions of
    edited lines are replaced [decided: reviewed lines must not change]. Without a ``recording``
    only the text is used. InputError if the model's labels differ from those of the analysis.
    """
    with log.lock:
        log.refresh()
        lines = [log.lines.lines[key] for key in log.lines.order]
    lines = [line for line in lines if not line.excluded]
    if recording is not None:
        lines = [line for line in lines if line.start is not None and line.end is not None]
    stale = {line.id for line in lines if line.is_stale}
    if not stale:
        return 0
    if tuple(pipeline.model.labels) != tuple(log.analysis.labels):
        problem = "has other labels than the analysis"
        raise InputError(pipeline.name, problem, "name the model that made the analysis")
    if recording is None:
        analysis = pipeline.read(_group(lines), name=log.analysis.recording)
    else:
        source = _FromLines(utterances=tuple(map(_build_utterance, lines)))
        analysis = replace(pipeline, find=source)(recording, report=report)
    conversations = {line.id: line.prediction.conversation for line in lines}
    fresh = [item for item in analysis.predictions if item.id in stale]
    predictions = {
        item.id: asdict(replace(item, conversation=conversations[item.id])) for item in fresh
    }
    marked = mark_labels(
        fresh,
        analysis.absent,
        {line.id: Marks(doubtful=line.marks.doubtful) for line in lines},
        reads_words=pipeline.reads_words,
    )
    doubts = {item.id: reason for item in fresh if (reason := marked[item.id].label) is not None}
    edit = PredictEdit(kind="predict", predictions=predictions, doubts=doubts)
    log.append(edit, rater=pipeline.name)
    return len(predictions)


def _group(lines: list[EditedLine]) -> list[Conversation]:
    """Group the lines by conversation."""
    groups: defaultdict[str, list[Utterance]] = defaultdict(list)
    for line in lines:
        groups[line.prediction.conversation].append(_build_utterance(line))
    return [
        Conversation(id=name, utterances=tuple(utterances)) for name, utterances in groups.items()
    ]


def _build_utterance(line: EditedLine) -> Utterance:
    return Utterance(
        id=line.id, speaker=line.speaker, text=line.text, start=line.start, end=line.end
    )
