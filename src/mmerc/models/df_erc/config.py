"""Settings of DF-ERC; defaults are the paper's (Sec. 4.1, App. A.2, Table 6)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mmerc.models.base import ModelConfig

_Ablation = Literal[
    "-DDM",
    "-Utterance",
    "-Modality",
    "-CFM",
    "-CFM(weights)",
    "-CFM(losses)",
    "-CFM+Att",
    "-CRM(full)",
    "-CRM(zero)",
    "-CRM+Att",
]


class DfErcConfig(ModelConfig):
    """Settings of DF-ERC; ``ablations`` are the switches of Table 2, with the paper's names.

    [decided] "Removal of contrastive learning" drops the loss and keeps the branch, so that
    capacity stays equal; ``drop_branch`` drops both. "-CFM" drops the contribution's weights and
    losses. We split it into "-CFM(weights)" (equal weights, losses kept) and "-CFM(losses)"
    (weights trained only by the emotion loss).

    Our additions, off by default:
    ``consistency``: predictions give less weight to a modality that contradicts the others
    throughout a conversation (``mmerc.models.df_erc.consistency``).
    ``recognisers``: audio and video are fused as the log probabilities of small classifiers, which
    also predict utterances without text (``mmerc.models.df_erc.recognisers``).
    ``normalise_contribution``: the weights of an utterance sum to 1.
    ``alignment_normalisation`` "batch": the vectors of Eq. 17 get mean 0 and variance 1. Without
    it the error of Eq. 19 hardly ever exceeds its margin.

    ``scale_context`` "input" multiplies the LSTM's input by 1 - psi (the paper's footnote 1)
    instead of the context. ``text_dropout`` applies to stored text vectors; a trained text encoder
    has its own dropout.
    """

    name: Literal["df-erc"] = "df-erc"
    contrast_weight: float = Field(default=0.3, ge=0, description="alpha 1")
    contribution_weight: float = Field(default=0.8, ge=0, description="alpha 2")
    prototype_weight: float = Field(default=0.3, ge=0, description="alpha 3")
    modality_temperature: float = Field(default=0.5, gt=0)
    utterance_temperature: float = Field(default=0.3, gt=0)
    prototype_margin: float = Field(default=0.1, ge=0, description="beta")
    scope: Literal["conversation", "batch"] = "conversation"
    detach_contribution: bool = True
    consistency: bool = False
    recognisers: bool = False
    normalise_contribution: bool = False
    alignment_normalisation: Literal["none", "batch"] = "none"
    disentangled_width: int = Field(default=300, ge=1)
    classifier_width: int = Field(default=300, ge=1)
    fusion_width: int = Field(default=500, ge=1)
    prototype_width: int = Field(default=500, ge=1)
    context_width: int = Field(default=300, ge=1)
    attention_heads: int = Field(default=4, ge=1)
    bidirectional: bool = Field(default=True, description="False: context is the past only")
    dropout: float = Field(default=0.2, ge=0, lt=1)
    ablations: tuple[_Ablation, ...] = ()
    drop_branch: bool = False
    scale_context: Literal["output", "input"] = "output"
    text_dropout: float = Field(default=0.0, ge=0, lt=1)
    restart_prototypes: bool = Field(default=True, description="[decided] each epoch")

    @model_validator(mode="after")
    def one_switch_a_part(self) -> DfErcConfig:
        """Reject switches that contradict each other."""
        for part in ("-CFM", "-CRM"):
            chosen = [ablation for ablation in self.ablations if ablation.startswith(part)]
            if len(chosen) > 1:
                raise ValueError(f"{' and '.join(chosen)} exclude each other")
        if self.consistency and not self.trains_contribution:
            raise ValueError("consistency needs the trained classifiers of the contribution")
        if self.context == "attention" and not self.bidirectional:
            raise ValueError("-CRM+Att attends to what comes later: it needs both directions")
        return self

    @property
    def contrasts_modalities(self) -> bool:
        return not {"-DDM", "-Modality"} & set(self.ablations)

    @property
    def contrasts_utterances(self) -> bool:
        return not {"-DDM", "-Utterance"} & set(self.ablations)

    @property
    def fusion(self) -> Literal["contribution", "equal", "attention"]:
        if {"-CFM", "-CFM(weights)"} & set(self.ablations):
            return "equal"
        return "attention" if "-CFM+Att" in self.ablations else "contribution"

    @property
    def estimates_contribution(self) -> bool:
        """Whether each modality has a student (Eq. 12)."""
        return not {"-CFM", "-CFM+Att"} & set(self.ablations)

    @property
    def trains_contribution(self) -> bool:
        """Whether teacher and student have losses (Eqs. 13 and 14)."""
        return self.estimates_contribution and "-CFM(losses)" not in self.ablations

    @property
    def context(self) -> Literal["refusion", "full", "zero", "attention"]:
        if "-CRM+Att" in self.ablations:
            return "attention"
        if "-CRM(full)" in self.ablations:
            return "full"
        return "zero" if "-CRM(zero)" in self.ablations else "refusion"
