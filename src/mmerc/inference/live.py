"""Emotions while a conversation goes on: each utterance by what came before it, and no more.

What comes later is not there when an utterance is predicted, so that nothing of it can leak in,
whatever the model. A model whose context is the past alone (mmerc-mini-live) was trained for this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.inference.level import Statistics, levelled
from mmerc.models.base import AnyModel
from mmerc.prediction.predictions import UtterancePrediction, predict

Heard = tuple[Utterance, Mapping[Modality, Vector | None]]
CONVERSATION = "live"


@dataclass(kw_only=True)
class Live:
    """Predicts one utterance after the other.

    ``history`` utterances are context, the one to predict among them; ``level`` utterances tell
    what is usual for the microphone (``mmerc.inference.level``).
    """

    model: AnyModel
    history: int = 30
    level: int = 200
    past: list[Heard] = field(default_factory=list, init=False)

    def hear(
        self, utterance: Utterance, vectors: Mapping[Modality, Vector | None]
    ) -> UtterancePrediction:
        """The emotion of the utterance that was just spoken; None is an absent modality.

        Ids must be new; UsageError or InputError as ``mmerc.prediction.predictions.predict``.
        """
        past = [*self.past, (utterance, vectors)][-max(self.level, self.history) :]
        recent = tuple(heard for heard, _ in past[-self.history :])
        tables = {m: self.table(m, past) for m in self.model.inputs.widths}
        conversation = Conversation(id=CONVERSATION, utterances=recent)
        prediction = predict(self.model, [conversation], tables)[-1]
        self.past = past  # not before: what was refused was not heard
        return prediction

    def follow(self, stream: Iterable[Heard]) -> Iterator[UtterancePrediction]:
        """Predictions of a stream, each as soon as its utterance has come."""
        for utterance, vectors in stream:
            yield self.hear(utterance, vectors)

    def table(self, modality: Modality, past: Sequence[Heard]) -> FeatureTable:
        """Vectors of the past, sound on the level of the training data."""
        width = self.model.inputs.widths[modality]
        table = FeatureTable.of(
            FeatureSpec(modality=modality, extractor="live", dim=width),
            (
                FeatureRow(
                    conversation=CONVERSATION,
                    utterance=utterance.id,
                    vector=vectors.get(modality),
                )
                for utterance, vectors in past
            ),
        )
        if modality != "audio":
            return table
        mean, deviation = self.model.inputs.statistics(modality)
        training = Statistics(mean=mean.cpu().numpy(), deviation=deviation.cpu().numpy())
        return levelled(table, training)[0]
