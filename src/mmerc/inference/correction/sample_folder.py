"""A drawn sample to label on the page: utterances without predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mmerc.conversation import MODALITIES
from mmerc.csv_text import format_csv
from mmerc.errors import InputError
from mmerc.files import read_text, write_text
from mmerc.inference.analysis import Analysis
from mmerc.inference.correction.correction_log import CorrectionLog
from mmerc.labels import LABEL_SETS, LabelSet
from mmerc.prediction.utterance_prediction import UtterancePrediction

SAMPLE = "sample.json"
SAMPLE_LABELS = "labels.csv"
"""The file of chosen labels in the folder of the sample."""
_COLUMNS = (
    "conversation", "id", "speaker", "start", "end", "text", "strategy", "weight", "label", "rater",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledUtterance:
    """An utterance to label; ``before`` has the preceding ones as "speaker: words".

    ``weight``: the number of utterances of the study that it represents; None if equal for all.
    """

    conversation: str
    id: str
    speaker: str
    text: str
    start: float | None
    end: float | None
    weight: float | None = None
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFolder:
    """A sample, in labelling order.

    ``recordings``: path of a conversation's recording, relative to the folder.
    """

    name: str
    labels: tuple[str, ...]
    strategy: str
    utterances: tuple[SampledUtterance, ...]
    recordings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path) -> SampleFolder:
        """Read a sample; InputError if it is damaged."""
        path = Path(folder) / SAMPLE
        fix = "draw the sample again with `mmerc sample`"
        try:
            sample = TypeAdapter(cls).validate_json(read_text(path))
        except ValidationError as error:
            raise InputError(path, "not a sample", fix) from error
        if not sample.labels or not sample.utterances:
            raise InputError(path, "a sample without labels or utterances", fix)
        return sample

    def write(self, folder: str | Path) -> None:
        """Write the sample to a folder."""
        write_text(
            Path(folder) / SAMPLE, TypeAdapter(type(self)).dump_json(self, indent=1).decode()
        )

    def find(self, key: str) -> SampledUtterance:
        """Return the utterance of a line of ``build_analysis``."""
        return self.utterances[int(key) - 1]

    def build_analysis(self) -> Analysis:
        """Return the utterances as lines "1", "2", ... with zero probability for all labels."""
        none = dict.fromkeys(self.labels, 0.0)
        predictions = [
            UtterancePrediction(
                conversation=item.conversation, id=f"{number}", speaker=item.speaker,
                text=item.text, start=item.start, end=item.end,
                label=self.labels[0], probabilities=none, weights=dict.fromkeys(MODALITIES),
                similarity=None, context_weight=None, effects=dict.fromkeys(MODALITIES),
                context_effect=None,
            )
            for number, item in enumerate(self.utterances, start=1)
        ]  # fmt: skip
        return Analysis(
            recording=self.name, duration=None, model="", labels=_find_label_set(self.labels),
            predictions=tuple(predictions), absent={},
        )  # fmt: skip

    def list_labels(self, log: CorrectionLog, *, rater: str | None = None) -> str:
        """List the labels chosen by all raters, or by ``rater``, as CSV, a row per label."""
        with log.lock:
            lines = [log.lines.lines[key] for key in log.lines.order]
        rows: list[dict[str, Any]] = [
            {name: getattr(item, name) for name in _COLUMNS[:6]}
            | {"strategy": self.strategy, "weight": item.weight, "label": label, "rater": name}
            for line, item in ((line, self.find(line.id)) for line in lines)
            for name, label in sorted(line.ratings.items())
            if rater in {None, name}
        ]
        weighted = any(item.weight is not None for item in self.utterances)
        return format_csv([name for name in _COLUMNS if weighted or name != "weight"], rows)


def _find_label_set(names: Sequence[str]) -> LabelSet:
    """Return the known label set with these names, or a new one."""
    for known in LABEL_SETS.values():
        if sorted(known.names) == sorted(names):
            return known
    return LabelSet("sample", tuple(names))
