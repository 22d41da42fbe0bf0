"""Doubts about a study: absent, uncertain, short, or unlike the training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmerc.studies.report.study_data import StudyData

LOW_CONFIDENCE = 0.5
SHORT = 10  # utterances
_NAMES = {"text": "words", "audio": "sound", "video": "a face"}
# Prefixes of remarks on a recording (mmerc.inference.pipeline.checks).
_FAR = "The sound differs from the model's training data"
_FOREIGN = "Many words are unknown to the model"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A doubt: its count, the total, and its meaning."""

    what: str
    count: int
    total: int
    unit: str
    meaning: str

    @property
    def share(self) -> float:
        return self.count / self.total if self.total else 0.0


def list_doubts(data: StudyData) -> list[Doubt]:
    """List all doubts, including those with count 0, to show that they were checked."""
    total, recordings = len(data.confidence), len(data.recording_names)
    doubts = []
    for modality, present in data.present.items():
        meaning = f"Predicted without {_NAMES[modality]}, from the remaining modalities."
        count = int((~present).sum())
        doubts.append(Doubt(f"without {_NAMES[modality]}", count, total, "utterances", meaning))
    for modality, left_out in data.left_out.items():
        meaning = f"The {modality} contradicts the other modalities throughout the recording."
        doubts.append(
            Doubt(f"{modality} left out", int(left_out.sum()), total, "utterances", meaning)
        )
    uncertain = int((data.confidence < LOW_CONFIDENCE).sum())
    doubts.append(
        Doubt(
            f"probability below {LOW_CONFIDENCE:.0%}", uncertain, total, "utterances",
            "Another emotion is nearly as probable.",
        )
    )  # fmt: skip
    sizes = np.bincount(data.sequences.recording, minlength=recordings)
    doubts.append(
        Doubt(
            f"fewer than {SHORT} utterances", int((sizes < SHORT).sum()), recordings, "recordings",
            "Shares and measures of the recording are very uncertain.",
        )
    )  # fmt: skip
    remarks = [str(row.get("remarks") or "") for row in data.recordings.values()]
    for beginning, what, meaning in (
        (_FAR, "sound far from the training data", "Voice results may be unreliable."),
        (_FOREIGN, "perhaps not English", "The model was trained on English."),
    ):
        if remarks:
            count = sum(beginning in text for text in remarks)
            doubts.append(Doubt(what, count, len(remarks), "recordings", meaning))
    if data.failed:
        attempted = recordings + data.failed
        meaning = "They are not in any figure; failed.csv says why."
        doubts.append(Doubt("not analysed", data.failed, attempted, "recordings", meaning))
    return doubts
