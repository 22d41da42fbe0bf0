"""DialogueRNN over the concatenated vectors (Majumder et al., AAAI 2019)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from mmerc.data.batch import ConversationBatch
from mmerc.models.base import ConversationModel, ModelConfig, ModelOutput
from mmerc.nn.dialogue_rnn import DialogueRnn
from mmerc.nn.dropout import FastDropout
from mmerc.nn.mlp import mlp


class _DialogueRnnConfig(ModelConfig):
    """Settings of DialogueRNN; ``hidden`` is the width per direction."""

    name: str = "dialogue-rnn"
    hidden: int = Field(default=256, ge=1)
    bidirectional: bool = True
    dropout: float = Field(default=0.2, ge=0, lt=1)


class DialogueRnnClassifier(ConversationModel[_DialogueRnnConfig]):
    """The paper's trimodal form: one network over the concatenated vectors, then a classifier.

    [decided] An absent modality gives zeros and a flag; an utterance without any modality leaves
    the states unchanged.
    """

    name: ClassVar[str] = "dialogue-rnn"
    config_class = _DialogueRnnConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        config, widths = self.config, self.inputs.output_widths
        self.dialogue = DialogueRnn(
            sum(widths.values()) + len(widths), config.hidden, bidirectional=config.bidirectional
        )
        self.dropout = FastDropout(config.dropout)
        self.classifier: nn.Module = mlp(
            self.dialogue.width, len(self.labels), hidden=config.hidden, dropout=config.dropout
        )

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        vectors, present = self.inputs(batch)
        flags = torch.stack([present[m] for m in vectors], -1)
        joined = torch.cat([*vectors.values(), flags.float()], -1)
        states = self.dialogue(joined[None], flags.any(-1)[None], batch.speakers)[0]
        logits = self.classifier(self.dropout(states)).float()
        loss = self.emotion_loss(logits, batch.labels)
        return ModelOutput(logits=logits, losses={"emotion": loss}, loss=loss)
