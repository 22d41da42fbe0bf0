"""Time of a MultiEMO epoch on MELD's conversations with random vectors, and of its loss."""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import torch

from bench_cached_epoch import made_up_corpus
from mmerc.conversation import Conversation
from mmerc.corpora.meld import read_meld
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader, feature_statistics
from mmerc.data.examples import Example
from mmerc.free_memory import keep_memory
from mmerc.labels import MELD_7
from mmerc.models.multiemo import MultiEmo
from mmerc.models.multiemo.losses import sample_weighted_focal_contrastive_loss
from mmerc.models.training_data import TrainingStatistics
from mmerc.nn.packing import PresentPositions
from mmerc.training.optimization import create_optimizer
from mmerc.training.recipe_files import load_recipe

WIDTHS = {"text": 768, "audio": 512, "video": 1000}
TEST = 2610  # utterances
SETTINGS = {"temperature": 1.4, "focus": 2.0, "sample_weight": 1.2}


def conversations(meld: Path | None) -> tuple[list[Conversation], list[Conversation]]:
    """Return conversations for training (MELD's train and dev minus 5 %) and test."""
    if meld is None:
        made_up = list(made_up_corpus().splits["train"])
        seen = made_up + made_up[:114]
        unseen = made_up[: 280 * len(made_up) // 1038]
    else:
        splits = read_meld(meld).splits
        seen, unseen = [*splits["train"], *splits["valid"]], list(splits["test"])
    random.Random(0).shuffle(seen)
    return seen[len(seen) // 20 :], unseen


def with_vectors(items: list[Conversation]) -> list[Example]:
    """Create examples with random vectors."""
    generator = torch.Generator().manual_seed(0)
    examples = []
    for index, item in enumerate(items):
        names = list(dict.fromkeys(u.speaker for u in item.utterances))
        examples.append(
            Example(
                index=index,
                features={
                    m: torch.randn(len(item), width, generator=generator)
                    for m, width in WIDTHS.items()
                },
                present={m: torch.ones(len(item), dtype=torch.bool) for m in WIDTHS},
                speakers=torch.tensor([names.index(u.speaker) for u in item.utterances]),
                labels=torch.tensor([MELD_7.index(u.label) for u in item.utterances]),
                token_ids=None,
            )
        )
    return examples


def timed(
    step: Callable[[ConversationBatch], None], batches: Iterable[ConversationBatch]
) -> tuple[float, float, int]:
    """Return wall clock seconds, processor seconds and utterances; the first batch is warm-up."""
    wall, processor, utterances = 0.0, 0.0, 0
    for number, batch in enumerate(batches):
        started = time.perf_counter(), time.process_time()
        step(batch)
        if number:
            wall += time.perf_counter() - started[0]
            processor += time.process_time() - started[1]
            utterances += int(batch.mask.sum())
    return wall, processor, utterances


def report(name: str, outcome: tuple[float, float, int], total: int, bar: str) -> None:
    """Print the seconds for all utterances, extrapolated from the timed ones."""
    wall, processor, utterances = outcome
    scale = total / max(utterances, 1)
    print(
        f"  {name}: {wall * scale:.2f} s, processor {processor * scale:.2f} s for {total} "
        f"utterances (from {utterances})" + (f"; bar {bar}" if bar else "")
    )


def epoch(model: MultiEmo, examples: list[Example], batches: int | None) -> None:
    """Time forward, backward and step over the training conversations."""
    recipe = load_recipe("multiemo-meld-released")
    optimizer = create_optimizer(model, recipe.training)

    def step(batch: ConversationBatch) -> None:
        model(batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    size = recipe.training.batch_conversations
    loader = batch_loader(examples, tokenizer=None, size=size, shuffle=True, padding=1.0)
    model.train()
    total = sum(len(example) for example in examples)
    report("training, an epoch", timed(step, islice(loader, batches)), total, "4.2 s, aim 3.5 s")


def predictions(model: MultiEmo, examples: list[Example], batches: int | None) -> None:
    """Time the test utterances: scores, and scores with attention."""
    model.eval()

    def scores(batch: ConversationBatch) -> None:
        vectors, present = model.inputs(batch)
        context = model.context(vectors, present, batch.speakers)
        utterances = PresentPositions(batch.mask)
        model.classifier(model.join_utterances(model.fuse(context, present), present, utterances))

    def answers(batch: ConversationBatch) -> None:
        model(batch)

    with torch.inference_mode():
        for name, step, bar in (("scores", scores, "0.35 s"), ("with its attention", answers, "")):
            loader = batch_loader(examples, tokenizer=None, size=100, shuffle=False)
            report(f"prediction, {name}", timed(step, islice(loader, batches)), TEST, bar)


def contrast(items: int, looped: int) -> None:
    """Compare the loss of Eq. 19 with a loop over its items, of which ``looped`` are run."""
    torch.manual_seed(0)
    vectors, labels = torch.randn(items, 256, requires_grad=True), torch.randint(7, (items,))

    def fast() -> None:
        sample_weighted_focal_contrastive_loss(vectors, labels, **SETTINGS).backward()

    fast()
    started = time.process_time()
    for _ in range(5):
        fast()
    ours = (time.process_time() - started) / 5
    started = time.process_time()
    loop(vectors, labels, looped).backward()
    slow = (time.process_time() - started) * items / looped
    print(f"  contrastive loss of {items} items: {ours * 1000:.0f} ms of the processor;")
    print(f"  a loop over pairs {slow:.0f} s (from {looped}): {slow / ours:.0f} times (bar 100)")


def loop(vectors: torch.Tensor, labels: torch.Tensor, items: int) -> torch.Tensor:
    """Compute the first terms of Eq. 19 as printed."""
    units = vectors / vectors.norm(dim=1, keepdim=True)
    losses = []
    for j in range(items):
        others = [s for s in range(len(units)) if s != j]
        powers = {s: (units[j] @ units[s] / SETTINGS["temperature"]).exp() for s in others}
        total = torch.stack(list(powers.values())).sum()
        shares = [powers[g] / total for g in others if labels[g] == labels[j]]
        terms = [(1 - share) ** SETTINGS["focus"] * share.log() for share in shares]
        rarity = (len(units) / (labels == labels[j]).sum()) ** SETTINGS["sample_weight"]
        losses.append(-rarity * torch.stack(terms).mean())
    return torch.stack(losses).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("meld", type=Path, nargs="?", help="folder of MELD's CSV files")
    parser.add_argument("--batches", type=int, help="number to time; the first is warm-up")
    arguments = parser.parse_args()
    keep_memory()  # as in training
    seen, unseen = (with_vectors(part) for part in conversations(arguments.meld))
    recipe = load_recipe("multiemo-meld-released")
    model = MultiEmo(recipe.model, labels=MELD_7, widths=WIDTHS)
    labels = torch.cat([example.labels for example in seen])
    model.fit(
        TrainingStatistics(
            features=feature_statistics(seen), label_counts=torch.bincount(labels, minlength=7)
        )
    )
    print(f"MultiEMO, {len(seen)} conversations, {WIDTHS}, {torch.get_num_threads()} threads")
    epoch(model, seen, arguments.batches)
    predictions(model, unseen, arguments.batches)
    contrast(1024, looped=2)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak memory {memory:.0f} MB")


if __name__ == "__main__":
    main()
