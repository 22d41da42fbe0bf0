"""DialogueRNN alone."""

from dataclasses import replace

import torch

from mmerc.conversation import MODALITIES


def test_joined_vectors_pass_through_one_network(make_model, make_batch):
    model = make_model("dialogue-rnn", dropout=0.0).train()
    batch = make_batch([4, 2], absent=0.3, seed=3)
    present = {m: existing.clone() for m, existing in batch.present.items()}
    for existing in present.values():
        existing[0, 1] = False  # an utterance without any modality: the states are unchanged
    batch = batch.with_present(present)
    logits = model(batch).logits
    for b, size in enumerate((4, 2)):
        flags = torch.stack([present[m][b, :size] for m in MODALITIES], -1)
        parts = [batch.features[m][b, :size] * present[m][b, :size, None] for m in MODALITIES]
        joined = torch.cat([*parts, flags.float()], -1)
        states = model.dialogue(
            joined[None, None], flags.any(-1)[None, None], batch.speakers[[b], :size]
        )
        torch.testing.assert_close(logits[b, :size], model.classifier(states[0, 0]))


def test_predictions_depend_on_the_speaker(make_model, make_batch):
    model = make_model("dialogue-rnn").eval()
    batch = make_batch([6], seed=1)
    alone = replace(batch, speakers=torch.zeros_like(batch.speakers))
    turns = replace(batch, speakers=torch.arange(6)[None])
    assert not torch.allclose(model(alone).logits, model(turns).logits)
