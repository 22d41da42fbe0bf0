"""Random utterances with tokens and waveforms, for models that train their encoders."""

import random

import torch

from mmerc.data.batch import ConversationBatch, Tokens, Waveforms


def utterances(sizes, *, tokenizer, seed=0, absent=0.0, unknown=0.0, video=0, classes=4):
    """Conversations as dictionaries of lists per utterance: ids, samples, vector, label."""
    numbers = random.Random(seed)
    torch.manual_seed(seed)
    predictions = []
    for size in sizes:
        texts = [
            ""
            if numbers.random() < absent
            else numbers.choice(["yes", "no well", "why you saw me"])
            for _ in range(size)
        ]
        group = [
            {
                "ids": ids,
                "own": tokenizer.target_begins(ids),
                "samples": 0.1 * torch.randn(0 if numbers.random() < absent else length),
                "vector": torch.randn(video) if video and numbers.random() >= absent else None,
                "label": -100 if numbers.random() < unknown else numbers.randrange(classes),
            }
            for ids, length in zip(
                tokenizer.encode(texts, limit=16),
                [numbers.randrange(1600, 4800) for _ in range(size)],
                strict=True,
            )
        ]
        predictions.append(group)
    return predictions


def batch_of(groups, *, video=0, tokens_to=0, samples_to=0):
    """One batch, padded to its longest or further."""
    shape = (len(groups), max(map(len, groups)))
    flat = [(b, i, item) for b, group in enumerate(groups) for i, item in enumerate(group)]
    ids = torch.zeros(*shape, max([tokens_to, 1, *(len(x["ids"]) for _, _, x in flat)]), dtype=int)
    sound = torch.zeros(*shape, max([samples_to, *(len(x["samples"]) for _, _, x in flat)]))
    existing, own = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids, dtype=torch.bool)
    lengths, labels = torch.zeros(shape, dtype=int), torch.full(shape, -100)
    mask = torch.zeros(shape, dtype=torch.bool)
    vectors, seen = torch.zeros(*shape, video), torch.zeros(shape, dtype=torch.bool)
    for b, i, item in flat:
        ids[b, i, : len(item["ids"])] = torch.tensor(item["ids"], dtype=torch.long)
        existing[b, i, : len(item["ids"])] = True
        own[b, i, item["own"] : len(item["ids"])] = True
        sound[b, i, : len(item["samples"])] = item["samples"]
        lengths[b, i] = len(item["samples"])
        labels[b, i], mask[b, i] = item["label"], True
        if item["vector"] is not None:
            vectors[b, i], seen[b, i] = item["vector"], True
    present = {"text": existing.any(-1), "audio": lengths > 0}
    return ConversationBatch(
        features={"video": vectors} if video else {},
        present=present | ({"video": seen} if video else {}),
        mask=mask,
        speakers=torch.zeros(shape, dtype=torch.long),
        labels=labels,
        indices=torch.arange(shape[0]),
        tokens=Tokens(token_ids=ids, attention_mask=existing, targets=own),
        waveforms=Waveforms(samples=sound, lengths=lengths),
    )
