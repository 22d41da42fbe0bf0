"""What is worth seeing inside each system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from mmerc.data.batch import ConversationBatch
from mmerc.models.base import AnyModel, ModelOutput
from mmerc.models.df_erc.contribution import true_class_probability
from mmerc.models.df_erc.model import DfErc
from mmerc.models.dq_former.model import DqFormer
from mmerc.models.multiemo.model import MultiEmo
from mmerc.models.utterance_model import scatter_utterances


def contribution(
    model: AnyModel, batch: ConversationBatch, output: ModelOutput
) -> Mapping[str, Tensor]:
    """DF-ERC's teacher and student (Eqs. 10-14): ``tcp_m``, ``weight_m``, ``right_m`` [B, N].

    NaN where the modality is absent; ``right_m`` is 1 where the modality's own classifier is right.
    """
    df_erc = cast(DfErc, model)
    vectors, present = df_erc.inputs(batch)
    apart = df_erc.disentanglement(vectors, present)
    found: dict[str, Tensor] = {}
    for m, vector in apart.vectors.items():
        logits = df_erc.fusion.teacher[m](vector)
        absent = ~present[m]
        tcp = true_class_probability(logits, batch.labels)
        right = (logits.argmax(-1) == batch.labels).float()
        found[f"tcp_{m}"] = tcp.masked_fill(absent, torch.nan)
        found[f"weight_{m}"] = output.explanation.weights[m].masked_fill(absent, torch.nan)
        found[f"right_{m}"] = right.masked_fill(absent, torch.nan)
    return found


def levels(model: AnyModel, batch: ConversationBatch, output: ModelOutput) -> Mapping[str, Tensor]:
    """DF-ERC's vectors of both levels (Eqs. 2 and 4): ``modality_m`` and ``utterance_m`` [B, N, H].

    NaN where the modality is absent.
    """
    df_erc = cast(DfErc, model)
    vectors, present = df_erc.inputs(batch)
    apart = df_erc.disentanglement(vectors, present)
    both = {"modality": apart.modality_level, "utterance": apart.utterance_level}
    return {
        f"{level}_{m}": vector.masked_fill(~present[m].unsqueeze(-1), torch.nan)
        for level, found in both.items()
        for m, vector in found.items()
    }


def features(
    model: AnyModel, batch: ConversationBatch, output: ModelOutput
) -> Mapping[str, Tensor]:
    """MultiEMO on its way: ``unimodal_m``, ``context_m``, ``fused_m`` and ``joint`` [B, N, D]."""
    inside = cast(MultiEmo, model).compute_intermediates(batch)
    steps = {"unimodal": inside.unimodal, "context": inside.context, "fused": inside.fused}
    found = {f"{step}_{m}": v for step, vectors in steps.items() for m, v in vectors.items()}
    return found | {"joint": inside.joint}


def confidences(
    model: AnyModel, batch: ConversationBatch, output: ModelOutput
) -> Mapping[str, Tensor]:
    """DQ-Former's ``confidence_m`` [B, N, F], and the label that each modality's own head names.

    ``alone_m`` [B, N]: its position; -1 where the modality is absent.
    """
    reading = cast(DqFormer, model).read(cast(DqFormer, model).streams(batch))
    found = {f"confidence_{m}": c for m, c in output.explanation.layer_weights.items()}
    for m, logits in reading.alone.items():
        named = scatter_utterances(logits.argmax(-1, keepdim=True).float(), batch.mask).squeeze(-1)
        found[f"alone_{m}"] = named.masked_fill(~batch.present[m], -1)
    return found
