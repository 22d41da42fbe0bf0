"""Live prediction: each utterance is predicted from itself and earlier ones.

Later utterances do not exist yet when one is predicted, so they cannot leak in, whatever the model.
A model with past context only (mmerc-mini-live) is trained for this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.inference.levelling import choose_levelling, level_table
from mmerc.models.base import AnyModel
from mmerc.prediction.set_request import SetRequest
from mmerc.prediction.utterance_prediction import UtterancePrediction
from mmerc.prediction.utterance_predictions import predict
from mmerc.prediction.window_encoding import encode_in_few_shapes

_Spoken = tuple[Utterance, Mapping[Modality, Vector | None]]
_CONVERSATION = "live"


@dataclass(kw_only=True)
class Live:
    """Predicts one utterance after another.

    The context is the last ``history`` utterances, including the one to predict. The last ``level``
    utterances are used for levelling (``mmerc.inference.levelling``), causally if the model is
    causal. ``sets`` requests prediction sets.

    Words are encoded in bfloat16 where that is fast; everything else is computed in float32,
    because the length of the context varies and bfloat16 kernels of every length stay in memory.
    """

    model: AnyModel
    history: int = 30
    level: int = 200
    sets: SetRequest | None = None
    past: list[_Spoken] = field(default_factory=list, init=False)

    def hear(
        self, utterance: Utterance, vectors: Mapping[Modality, Vector | None]
    ) -> UtterancePrediction:
        """Predict the latest utterance.

        Shape: vectors [D_m] per modality; None if the modality is absent. Ids must be new;
        UsageError or InputError as for ``mmerc.prediction.utterance_predictions.predict``.
        """
        past = [*self.past, (utterance, vectors)][-max(self.level, self.history) :]
        recent = tuple(spoken for spoken, _ in past[-self.history :])
        tables = {m: self.table(m, past) for m in self.model.inputs.widths}
        conversation = Conversation(id=_CONVERSATION, utterances=recent)
        levelled_already = self.model.with_levelling(None)
        prediction = predict(
            levelled_already,
            [conversation],
            tables,
            window_encoder=encode_in_few_shapes,
            sets=self.sets,
        )[-1]
        self.past = past  # only now, so that a rejected utterance does not count
        return prediction

    def withdraw(self, count: int) -> None:
        """Remove the last utterances, so that they can be added again with other words."""
        self.past = self.past[: max(len(self.past) - count, 0)]

    def rename_speaker(self, old: str, new: str) -> None:
        """Reassign the past utterances of a speaker to another one."""
        self.past = [
            (replace(utterance, speaker=new) if utterance.speaker == old else utterance, vectors)
            for utterance, vectors in self.past
        ]

    def follow(self, stream: Iterable[_Spoken]) -> Iterator[UtterancePrediction]:
        """Yield a prediction for each utterance of a stream when it arrives."""
        for utterance, vectors in stream:
            yield self.hear(utterance, vectors)

    def table(self, modality: Modality, past: Sequence[_Spoken]) -> FeatureTable:
        """Return the levelled features of the past utterances."""
        width = self.model.inputs.widths[modality]
        table = FeatureTable.of(
            FeatureSpec(modality=modality, extractor="live", dim=width),
            (
                FeatureRow(
                    conversation=_CONVERSATION,
                    utterance=utterance.id,
                    vector=vectors.get(modality),
                )
                for utterance, vectors in past
            ),
        )
        speakers = {utterance.id: utterance.speaker for utterance, _ in past}
        return level_table(self.model, modality, table, speakers, choose_levelling(self.model))
