"""Emotions while a conversation is going on: each utterance predicted from those before it.

Later utterances are not yet available when one is predicted, so nothing of them can leak in,
whatever the model. A model with context from the past alone (mmerc-mini-live) is trained for this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.inference.levelling import choose_levelling, level_table
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.prediction.set_request import SetRequest
from mmerc.prediction.utterance_prediction import UtterancePrediction
from mmerc.prediction.utterance_predictions import predict

_Spoken = tuple[Utterance, Mapping[Modality, Vector | None]]
_CONVERSATION = "live"


@dataclass(kw_only=True)
class Live:
    """Predicts one utterance after another.

    The context is the last ``history`` utterances, including the one to predict. The last ``level``
    utterances show what the microphone and each speaker usually sound and look like
    (``mmerc.inference.levelling``); a model that levels by past context only does so here too.
    ``window_encoder`` runs the model's text encoder. ``sets`` asks for prediction sets.
    """

    model: AnyModel
    history: int = 30
    level: int = 200
    window_encoder: WindowEncoder = encode_windows
    sets: SetRequest | None = None
    past: list[_Spoken] = field(default_factory=list, init=False)

    def hear(
        self, utterance: Utterance, vectors: Mapping[Modality, Vector | None]
    ) -> UtterancePrediction:
        """Predict the utterance that was just spoken.

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
            window_encoder=self.window_encoder,
            sets=self.sets,
        )[-1]
        self.past = past  # only now: a rejected utterance does not count
        return prediction

    def withdraw(self, count: int) -> None:
        """Forget the last utterances, so that they can be heard again with other words."""
        self.past = self.past[: max(len(self.past) - count, 0)]

    def rename_speaker(self, old: str, new: str) -> None:
        """Give the past utterances of a speaker to another one."""
        self.past = [
            (replace(utterance, speaker=new) if utterance.speaker == old else utterance, vectors)
            for utterance, vectors in self.past
        ]

    def follow(self, stream: Iterable[_Spoken]) -> Iterator[UtterancePrediction]:
        """Yield a prediction for each utterance of a stream as soon as it arrives."""
        for utterance, vectors in stream:
            yield self.hear(utterance, vectors)

    def table(self, modality: Modality, past: Sequence[_Spoken]) -> FeatureTable:
        """Features of the past utterances, on the level of the training data."""
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
