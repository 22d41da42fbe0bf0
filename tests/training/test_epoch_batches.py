"""The batches of an epoch, for each kind of system."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from mmerc.data.utterance_batches import split_utterances
from mmerc.training.recipe import TrainingConfig
from mmerc.training.trainer import _ConversationData

SIZES = np.random.default_rng(0).integers(1, 25, 400).tolist()
SYSTEMS = {  # how often a pair may share a batch again, in multiples of chance
    "df-erc reads text": ("df-erc", {"tokens": True}, 1.4),
    "df-erc on vectors": ("df-erc", {}, 4.0),
    "df-erc, contrast over the batch": ("df-erc", {"scope": "batch"}, 1.4),
    "multiemo": ("multiemo", {}, 1.4),
    "dq-former": ("dq-former", {}, 4.0),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_batch_neighbours_and_sizes_are_nearly_random(make_model, make_examples, system):
    name, settings, factor = SYSTEMS[system]
    model = make_model(name, **settings)
    tokenizer = model.tokenizer if settings.get("tokens") else None
    examples = make_examples(SIZES, tokenizer=tokenizer)
    if model.unit == "utterance":
        examples = split_utterances(examples)
    config = TrainingConfig(batch_conversations=8, batch_utterances=8)
    data = _ConversationData(examples, [], model=model, settings=config, seed=0)
    sampler, epochs = data.training_sampler(), []
    for number in range(3):
        sampler.set_epoch(number)
        epochs.append(list(sampler))
    counts = [sum(len(examples[i]) for i in batch) for batch in epochs[0]]
    assert max(counts) < 1.5 * min(counts)
    pairs = [{p for batch in batches for p in combinations(sorted(batch), 2)} for batches in epochs]
    again = [len(one & other) / len(one) for one, other in pairwise(pairs)]
    assert np.mean(again) < factor * 7 / (len(examples) - 1) + 0.002


@pytest.mark.parametrize("asked", [0.1, 1.0])
def test_bound_on_padding_can_be_chosen(make_model, make_examples, asked):
    config = TrainingConfig(batch_conversations=8, padding=asked)
    data = _ConversationData(
        make_examples(SIZES), [], model=make_model("late-fusion"), settings=config, seed=0
    )
    sampler = data.training_sampler()
    assert (sampler.padding_share(list(sampler)) <= 0.1) == (asked == 0.1)
