"""MultiEMO's equations (Shi and Huang 2023), each written out as slow loops.

Every oracle uses the model's own weights (and DialogueRNN, which has its own oracle in tests/nn).
"""

import numpy as np
import torch
from df_erc_oracles import places

# Eqs. 18-20: losses


def swfc_oracle(
    vectors,
    labels,
    *,
    temperature,
    focus,
    sample_weight,
    class_counts=None,
    weight_scale="raw",
    normalize=True,
):
    """Eqs. 18 and 19, mean over the labelled items."""
    known = [i for i, label in enumerate(labels.tolist()) if label >= 0]
    z = {i: vectors[i] / vectors[i].norm() if normalize else vectors[i] for i in known}
    label = {i: int(labels[i]) for i in known}
    if class_counts is None:
        counts = {label[i]: sum(label[i] == label[j] for j in known) for i in known}
    else:
        counts = {k: n for k, n in enumerate(class_counts) if n}
    weight = {k: (sum(counts.values()) / n) ** sample_weight for k, n in counts.items()}
    if weight_scale == "sum":
        weight = {k: value / sum(weight.values()) for k, value in weight.items()}
    if weight_scale == "mean":
        average = sum(n * weight[k] for k, n in counts.items()) / sum(counts.values())
        weight = {k: value / average for k, value in weight.items()}
    total = torch.tensor(0.0)
    for j in known:
        others = [s for s in known if s != j]
        positives = [g for g in others if label[g] == label[j]]
        below = sum(torch.exp(z[j] @ z[s] / temperature) for s in others)
        for g in positives:
            share = torch.exp(z[j] @ z[g] / temperature) / below
            term = (1 - share) ** focus * torch.log(share)
            total = total - weight.get(label[j], 0.0) * term / len(positives)
    return total / max(len(known), 1)


def soft_hgr_oracle(first, second):
    """Eq. 20 for one pair, with numpy's sample covariance of the features."""
    first, second = first.detach().double().numpy(), second.detach().double().numpy()
    if len(first) < 2:
        return 0.0
    centred = first - first.mean(0), second - second.mean(0)
    agreement = np.mean([one @ other for one, other in zip(*centred, strict=True)])
    covariances = [np.atleast_2d(np.cov(side, rowvar=False)) for side in (first, second)]
    return float(np.trace(covariances[0] @ covariances[1]) / 2 - agreement)


# Eqs. 2-12: MultiAttn


def attention_oracle(layer, queries, source, readable):
    """Eqs. 2-4 for one conversation: -> outputs [n, W] and attention weights [n, n]."""
    size = queries.shape[1] // layer.heads
    keys = [layer.key.weight @ vector for vector in source]
    values = [layer.value.weight @ vector for vector in source]
    outputs, shares = [], torch.zeros(len(queries), len(source))
    for i, vector in enumerate(queries):
        query, heads = layer.query.weight @ vector, []
        for h in range(layer.heads):
            part = slice(h * size, (h + 1) * size)
            weights = {k: torch.exp(query[part] @ keys[k][part] / size**0.5) for k in readable}
            total = sum(weights.values())
            heads.append(sum(weight / total * values[k][part] for k, weight in weights.items()))
            for k, weight in weights.items():
                shares[i, k] += weight / total / layer.heads
        outputs.append(layer.output.weight @ torch.cat(heads))
    return torch.stack(outputs), shares


def normed(layer, vectors):
    """Layer normalisation."""
    rows = []
    for vector in vectors:
        mean = vector.mean()
        variance = ((vector - mean) ** 2).mean()
        rows.append((vector - mean) / torch.sqrt(variance + layer.eps) * layer.weight + layer.bias)
    return torch.stack(rows)


def stream_oracle(layers, others, context, present, modality):
    """Eqs. 2-12 of one modality in one conversation; also mean attention weights by modality."""
    queries, seen = context[modality], {}
    for layer in layers:
        for other in others:
            readable = [k for k, existing in enumerate(present[other]) if existing]
            if readable:
                attended, shares = attention_oracle(
                    layer.attention[other], queries, context[other], readable
                )
                queries = normed(layer.attention_norm[other], queries + attended)
                seen[other] = seen.get(other, 0) + shares / len(layers)
        first, _, _, last = layer.feed_forward
        hidden = [torch.clamp(first.weight @ q + first.bias, min=0) for q in queries]
        added = torch.stack([last.weight @ h + last.bias for h in hidden])
        queries = normed(layer.norm, queries + added)
    return queries, seen


# The complete model


def contexts_of(model, batch):
    """Each conversation's contexts, computed separately: [{m: [n, W]}], [{m: [n] bool}]."""
    actual = []
    for b, size in enumerate(batch.mask.sum(1).tolist()):
        present = {m: batch.present[m][b, :size] for m in model.config.modalities}
        projected = {m: model.context.projection[m](batch.features[m][b, :size]) for m in present}
        names = model.context.in_dialogue
        if names:
            states = model.context.dialogue(
                torch.stack([projected[m] for m in names])[:, None],
                torch.stack([present[m] for m in names])[:, None],
                batch.speakers[b : b + 1, :size],
            )[:, 0]
            for m, state in zip(names, states, strict=True):
                projected[m] = model.context.directions[m](state)
        actual.append((projected, present))
    return actual


def joint_oracle(model, fused, present, i):
    """Eqs. 13 and 14."""
    parts = [fused[m][i] if present[m][i] else model.absent[m] for m in model.config.modalities]
    return model.joint.weight @ torch.cat(parts) + model.joint.bias


def scores_oracle(model, joint):
    """Eqs. 15 and 16 before the softmax."""
    first, _, _, last = model.classifier
    return last.weight @ torch.clamp(first.weight @ joint + first.bias, min=0) + last.bias


def whole_oracle(model, batch):
    """By position: the fused features {m: [W]}, z and the scores."""
    names = model.config.modalities
    fused_at, joint_at, scores_at = {}, {}, {}
    for b, (context, present) in enumerate(contexts_of(model, batch)):
        fused = {
            m: stream_oracle(
                model.fusion.layers[m], [o for o in names if o != m], context, present, m
            )[0]
            for m in names
        } if model.fusion is not None else context  # fmt: skip
        for i in range(len(present[names[0]])):
            fused_at[b, i] = {m: fused[m][i] for m in names}
            joint_at[b, i] = joint_oracle(model, fused, present, i)
            scores_at[b, i] = scores_oracle(model, joint_at[b, i])
    assert set(scores_at) == set(places(batch))
    return fused_at, joint_at, scores_at
