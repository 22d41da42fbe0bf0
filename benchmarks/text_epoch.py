"""Time of fine-tuning MiniLM in DF-ERC, compared with the encoder alone without padding."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from mmerc.data.batches import batch_loader
from mmerc.data.corpus import PreparedCorpus
from mmerc.free_memory import keep_memory
from mmerc.models.registry import create_model
from mmerc.prediction.run_model import build_model_examples
from mmerc.training.optimization import clip_gradients, create_optimizer
from mmerc.training.recipe_files import load_recipe

CONVERSATIONS = 8  # per batch: about 80 utterances, as in the recipe


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="prepared MELD")
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--scope", default="utterance", choices=["conversation", "utterance"])
    parser.add_argument("--tuning", default="lora", choices=["lora", "full"])
    return parser.parse_args()


def main() -> None:
    arguments = arguments_of()
    keep_memory()  # as in training
    scope = f"model.text_encoder.scope={arguments.scope}"
    settings = [scope, f"model.text_encoder.tuning={arguments.tuning}"]
    recipe = load_recipe("df-erc-meld-mini", settings)
    corpus = PreparedCorpus.load(arguments.corpus)
    model = create_model(recipe.model, labels=corpus.labels, widths={}).train()
    encoder = model.text_encoder
    examples = build_model_examples(model, corpus.splits["train"], corpus.features)
    tokens = sum(example.cost for example in examples)
    loader = batch_loader(
        examples,
        tokenizer=encoder.tokenizer,
        size=CONVERSATIONS,
        shuffle=True,
    )
    read = sum(int(batch.windows.attention_mask.sum()) for batch in loader)
    rows_read = sum(len(batch.windows.token_ids) for batch in loader)
    padded = sum(batch.windows.attention_mask.numel() for batch in loader)
    batches = [batch for _, batch in zip(range(arguments.batches), loader, strict=False)]
    whole = create_optimizer(model, recipe.training)
    bare = torch.optim.AdamW(encoder.backbone.parameters(), lr=1e-5, fused=True)

    def train_step(batch) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(batch).loss
        loss.backward()
        clip_gradients(whole, largest=1.0)
        whole.step()
        whole.zero_grad()

    def bare_step(ids) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            states = encoder.backbone(input_ids=ids).last_hidden_state
        states.float().mean().backward()
        bare.step()
        bare.zero_grad()

    # The same number of tokens in full rows: one row per conversation, no padding, no mask.
    rows = []
    for batch in batches:
        real = int(batch.windows.attention_mask.sum())
        size = len(batch.windows.token_ids)
        flat = batch.windows.token_ids[batch.windows.attention_mask][: real // size * size]
        rows.append(flat.view(size, -1))
    times = {"train": [], "bare": []}
    for batch, ids in zip(batches, rows, strict=True):  # alternating, to share disturbances
        for name, step, given in (("train", train_step, batch), ("bare", bare_step, ids)):
            started = time.perf_counter()
            step(given)
            times[name].append(time.perf_counter() - started)
    seen = sum(int(batch.windows.attention_mask.sum()) for batch in batches[3:])
    train, plain = sum(times["train"][3:]), sum(times["bare"][3:])
    print(f"fine-tuning MiniLM-L6 in DF-ERC, {tokens} tokens an epoch, bfloat16, {settings}")
    print(f"  rows of {read / rows_read:.0f} tokens on average")
    print(f"  padding {100 * (1 - read / padded):.1f} % of the tokens (bar 10)")
    print(f"  {train * tokens / seen:.1f} s an epoch (bar 50), {seen / train:.0f} tokens/s")
    print(f"  bare encoder {plain * tokens / seen:.1f} s; ratio {train / plain:.2f} (bar 1.15)")


if __name__ == "__main__":
    main()
