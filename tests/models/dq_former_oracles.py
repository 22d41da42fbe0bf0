"""DQ-Former's equations (MM 2024), each written out as slow loops over one utterance.

Every oracle uses the model's own weights. States are lists of layers of lists of vectors; an
utterance without a modality has none.
"""

import torch


def linear(layer, vector):
    bias = 0 if layer.bias is None else layer.bias
    return layer.weight @ vector + bias


def normed(layer, vector):
    mean = vector.mean()
    variance = ((vector - mean) ** 2).mean()
    return (vector - mean) / torch.sqrt(variance + layer.eps) * layer.weight + layer.bias


def gelu(vector):
    return vector * 0.5 * (1 + torch.erf(vector / 2**0.5))


def fed_forward(network, vector):
    first, _, _, last, _ = network
    return linear(last, gelu(linear(first, vector)))


def attention_oracle(layer, query, states):
    """softmax(q K' / sqrt d) V of one query in every head, with the output projection."""
    q, size = linear(layer.query, query), len(query) // layer.heads
    keys = [linear(layer.key, state) for state in states]
    values = [linear(layer.value, state) for state in states]
    heads = []
    for h in range(layer.heads):
        part = slice(h * size, (h + 1) * size)
        weights = [torch.exp(q[part] @ key[part] / size**0.5) for key in keys]
        total = sum(weights)
        heads.append(sum(w / total * v[part] for w, v in zip(weights, values, strict=True)))
    return linear(layer.output, torch.cat(heads))


def encoder_layer_oracle(layer, queries):
    """Eq. 2: Vaswani et al.'s encoder layer."""
    inner = [
        normed(layer.inner_norm, q + attention_oracle(layer.attention, q, queries)) for q in queries
    ]
    return [normed(layer.outer_norm, x + fed_forward(layer.feed_forward, x)) for x in inner]


def cross_modal_oracle(layer, queries, states):
    """Eqs. 3 and 4: LN(Q + F(LN(Q + softmax(QK'/sqrt d)V)))."""
    results = []
    for q in queries:
        inner = normed(layer.inner_norm, q + attention_oracle(layer.attention, q, states))
        results.append(normed(layer.outer_norm, q + fed_forward(layer.feed_forward, inner)))
    return results


def confidence_oracle(network, states, threshold):
    """Eqs. 5-8 for one utterance: states {m: vectors}, for the present modalities."""
    raw = {}
    for m, vectors in states.items():
        h = sum(vectors) / len(vectors)
        raw[m] = 1 / (1 + torch.exp(-(network.score.weight[0] @ h + network.score.bias[0])))
    total = sum(raw.values())
    shares = {m: value / total for m, value in raw.items()}
    return {m: c if c >= threshold else torch.tensor(0.0) for m, c in shares.items()}


def fusion_oracle(model, states):
    """Eqs. 2-9 for one utterance: states[m][layer], the last of each encoder."""
    queries = list(model.queries)
    actual = []
    for number, layer in enumerate(model.layers):
        here = {}
        for m, layers in states.items():
            change = layer.maps[m]
            given = layers[len(layers) - len(model.layers) + number]
            here[m] = [
                s if isinstance(change, torch.nn.Identity) else linear(change, s) for s in given
            ]
        queries = encoder_layer_oracle(layer.self_attention, queries)
        if model.config.priority:
            c = confidence_oracle(layer.confidence, here, model.config.threshold)
        else:
            c = {m: torch.tensor(1 / len(here)) for m in here}
        gathered = {m: cross_modal_oracle(layer.cross_attention[m], queries, here[m]) for m in here}
        fused = []
        for i, query in enumerate(queries):
            start = query if model.config.residual else torch.zeros_like(query)
            fused.append(start + sum(c[m] * gathered[m][i] for m in here))
        queries = fused
        actual.append(c)
    return queries, actual


def logits_oracle(model, states):
    """Eqs. 10-13: the fused scores, and those of each modality alone."""
    queries, actual = fusion_oracle(model, states)
    fused = linear(model.classifier, sum(queries) / len(queries))
    alone = {m: linear(model.heads[m], sum(s[-1]) / len(s[-1])) for m, s in states.items()}
    return fused, alone, actual


def cross_entropy(logits, label):
    return -(logits[label] - torch.log(torch.exp(logits).sum()))


def objective_oracle(model, utterances, labels):
    """Eq. 14, means over the labelled utterances (of a modality: those that have it)."""
    terms = {"emotion": []}
    for states, label in zip(utterances, labels, strict=True):
        if label < 0:
            continue
        fused, alone, _ = logits_oracle(model, states)
        terms["emotion"].append(cross_entropy(fused, label))
        for m, scores in alone.items():
            terms.setdefault(f"emotion_{m}", []).append(cross_entropy(scores, label))
    means = {name: sum(values) / len(values) for name, values in terms.items()}
    alone = sum(value for name, value in means.items() if name != "emotion")
    return means, means["emotion"] + model.config.alone_weight * alone
