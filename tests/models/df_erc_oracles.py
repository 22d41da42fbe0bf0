"""DF-ERC's equations (Li et al. 2023), each written out as slow loops.

Every oracle uses only the model's own layers (MLPs, projections, LSTM).
"""

import torch

SIZES = (4, 2, 3, 1)
CONTRAST = ("contrast_modality", "contrast_utterance")
CONTRIBUTION = ("contribution_classifier", "contribution_confidence")


def places(batch):
    """Every real utterance as (conversation, position)."""
    return [(b, i) for b in range(len(batch)) for i in range(int(batch.mask[b].sum()))]


def is_present(batch, m, place):
    return bool(batch.present[m][place])


def cosine(one, other):
    return (one * other).sum() / (one.norm() * other.norm())


def total_or_mean(terms, reduction):
    if not terms:
        return torch.tensor(0.0)
    return sum(terms) / (len(terms) if reduction == "mean" else 1)


# Eqs. 2-9: disentanglement


def source_vector(model, batch, m, place):
    """The utterance's standardised vector, zeros where absent."""
    vector = batch.features[m][place]
    return vector if is_present(batch, m, place) else torch.zeros_like(vector)


def contrast_oracle(model, batch, level):
    """Eqs. 3 and 5, with R = [t1 a1 v1 t2 ...] of each conversation, or of the batch."""
    config = model.config
    ddm = model.disentanglement
    branch = ddm.modality_branch if level == "modality" else ddm.utterance_branch
    tau = config.modality_temperature if level == "modality" else config.utterance_temperature
    everywhere = places(batch)
    if config.scope == "batch":
        scopes = [everywhere]
    else:
        scopes = [[p for p in everywhere if p[0] == b] for b in range(len(batch))]
    per_item = []
    for scope in scopes:
        listed = []  # (modality number, utterance number, vector or None where absent)
        for number, place in enumerate(scope):
            for which, m in enumerate(config.modalities):
                vector = branch[m](source_vector(model, batch, m, place))
                listed.append((which, number, vector if is_present(batch, m, place) else None))
        if level == "modality" and len({which for which, _, own in listed if own is not None}) < 2:
            continue  # all would be positives
        count = len(config.modalities)
        for i, (_, _, own) in enumerate(listed):
            others = [j for j in range(len(listed)) if j != i and listed[j][2] is not None]
            if own is None:
                continue
            if level == "modality":
                positives = [k for k in others if k % count == i % count]
            else:
                positives = [k for k in others if k // count == i // count]
            terms = []
            for k in positives:
                above = torch.exp(cosine(own, listed[k][2]) / tau)
                below = sum(torch.exp(cosine(own, listed[j][2]) / tau) for j in others)
                terms.append(-torch.log(above / below))
            if terms:
                per_item.append(total_or_mean(terms, config.reduction))
    return total_or_mean(per_item, config.reduction)


def residual(model, batch, m, place):
    """Eqs. 6-8: m_i = [m^s; m^m; m^u]."""
    source = source_vector(model, batch, m, place)
    ddm = model.disentanglement
    levels = [branch[m](source) for branch in (ddm.modality_branch, ddm.utterance_branch) if branch]
    return torch.cat([source, *levels])


# Eqs. 10-16: contribution


def contribution_oracle(model, batch):
    """Student's weight by modality and position; the terms of L_p and L_q by modality."""
    weights = {m: {} for m in model.config.modalities}
    teacher_terms = {m: [] for m in weights}
    student_terms = {m: [] for m in weights}
    for place in places(batch):
        label = int(batch.labels[place])
        for m in model.config.modalities:
            if not is_present(batch, m, place):
                weights[m][place] = torch.tensor(0.0)
                continue
            vector = residual(model, batch, m, place)
            score = model.fusion.student[m](vector)[0]
            weights[m][place] = 1 / (1 + torch.exp(-score))
            if label >= 0:
                exponentials = torch.exp(model.fusion.teacher[m](vector))
                true_class = exponentials[label] / exponentials.sum()
                teacher_terms[m].append(-torch.log(true_class))
                student_terms[m].append((true_class - weights[m][place]) ** 2)
    return weights, teacher_terms, student_terms


def fusion_oracle(model, batch, place, weights):
    """Eq. 16, each modality first through its projection."""
    fused = torch.zeros(model.config.fusion_width)
    for m in model.config.modalities:
        if is_present(batch, m, place):
            layer = model.fusion.projection[m]
            projected = layer.weight @ residual(model, batch, m, place) + layer.bias
            fused = fused + weights[m][place] * projected
    return fused


# Eqs. 17-22: context refusion


def aligned_items(model, batch):
    """Eq. 17: (modality, position) -> x, where present."""
    return {
        (m, place): model.refusion.aligned[m](residual(model, batch, m, place))
        for place in places(batch)
        for m in model.config.modalities
        if is_present(batch, m, place)
    }


def prototypes_of(gathered, classes, width):
    """Eq. 18 from scratch: the mean and number of all items of a class so far."""
    mean, count = torch.zeros(classes, width), torch.zeros(classes)
    for k in range(classes):
        own = [item for item, label in gathered if label == k]
        count[k] = len(own)
        if own:
            mean[k] = sum(own) / len(own)
    return mean, count


def prototype_loss_oracle(items, batch, mean, margin):
    """Eq. 19: 1/(3n) sum of max(MSE - beta, 0), absent and unknown not counted."""
    terms = []
    for (_, place), item in items.items():
        label = int(batch.labels[place])
        if label >= 0:
            error = sum((mean[label][d] - item[d]) ** 2 for d in range(len(item))) / len(item)
            terms.append(torch.clamp(error - margin, min=0))
    return sum(terms) / len(terms)


def psi_oracle(items, m_names, place):
    """Eq. 20 over the pairs that are present."""
    pairs = [
        cosine(items[one, place], items[other, place])
        for i, one in enumerate(m_names)
        for other in m_names[i + 1 :]
        if (one, place) in items and (other, place) in items
    ]
    return sum(pairs) / len(pairs) if pairs else torch.tensor(0.0)


def whole_oracle(model, batch):
    """Logits by position, following Eqs. 1-23 one conversation at a time."""
    weights, _, _ = contribution_oracle(model, batch)
    items = aligned_items(model, batch)
    logits = {}
    for b in range(len(batch)):
        own = [place for place in places(batch) if place[0] == b]
        fused = torch.stack([fusion_oracle(model, batch, place, weights) for place in own])
        context = model.refusion.context.lstm(fused[None])[0][0]  # checked in test_context_lstm
        for i, place in enumerate(own):
            psi = psi_oracle(items, model.config.modalities, place)
            enhanced = torch.cat([fused[i], (1 - psi) * context[i]])
            logits[place] = model.classifier(enhanced)
    return logits
