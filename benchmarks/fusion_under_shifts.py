"""Does a model lose by a modality that misleads, against never having had it?

Every ten conversations of a split are taken for one recording. One modality of all recordings is
shifted: the voice over a telephone, in noise, in an echo, or somebody else's; the face another
person's, the listener's, neutral throughout, or frozen; the words of other utterances, or none of
the utterance's own but half. Prints the weighted F1 of every set of modalities under every shift,
beside the best set that does without the shifted one (undisturbed): the gap should not be below
-1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader
from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import weighted_f1_from_confusion
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model
from mmerc.prediction.effects import with_encoded_text
from mmerc.prediction.run_model import build_model_examples
from mmerc.training.joined_conversations import join_conversations
from recording_level import CHANGES, changed

Shift = Callable[[Tensor, Tensor, Tensor, Tensor, torch.Generator], Tensor]
SOUND = ("telephone band", "noise at 15 dB", "echo")


def foreign(own: Tensor, at: Tensor, pool: Tensor, labels: Tensor, g: torch.Generator) -> Tensor:
    """Vectors of other utterances. Shape: own [N, D], at [N] bool, pool [P, D], labels [P]."""
    return pool[torch.randint(len(pool), (len(own),), generator=g)]


def neutral(own: Tensor, at: Tensor, pool: Tensor, labels: Tensor, g: torch.Generator) -> Tensor:
    return foreign(own, at, pool[labels == 0], labels, g)


def listener(own: Tensor, at: Tensor, pool: Tensor, labels: Tensor, g: torch.Generator) -> Tensor:
    """The face of the utterance before, where there is one."""
    before, known = own.roll(1, 0), at.roll(1, 0)
    return torch.where(known[:, None], before, own)


def frozen(own: Tensor, at: Tensor, pool: Tensor, labels: Tensor, g: torch.Generator) -> Tensor:
    return own[at][:1].expand_as(own) if bool(at.any()) else own


def half(own: Tensor, at: Tensor, pool: Tensor, labels: Tensor, g: torch.Generator) -> Tensor:
    return (own + foreign(own, at, pool, labels, g)) / 2


SHIFTS: dict[tuple[Modality, str], Shift] = {
    ("audio", "another person's voice"): foreign,
    ("audio", "half another's voice"): half,
    ("video", "another person's face"): foreign,
    ("video", "the listener's face"): listener,
    ("video", "a neutral face throughout"): neutral,
    ("video", "a frozen face"): frozen,
    ("text", "words of other utterances"): foreign,
}


def recordings(
    model: AnyModel, corpus: PreparedCorpus, split: str, size: int
) -> list[ConversationBatch]:
    """Recordings of ``size`` conversations, text encoded, vectors on their scale."""
    examples = build_model_examples(model, corpus.splits[split], corpus.features)
    order = np.random.default_rng(0).permutation(len(examples)).tolist()
    joined = []
    for first in range(0, len(order), size):
        group = [examples[i] for i in order[first : first + size]]
        (batch,) = batch_loader(group, tokenizer=model.tokenizer, size=size, shuffle=False)
        with torch.inference_mode():
            joined.append(with_encoded_text(model, join_conversations(batch, size)))
    return joined


def shifted(
    batches: Sequence[ConversationBatch], modality: Modality, shift: Shift
) -> Iterator[ConversationBatch]:
    generator = torch.Generator().manual_seed(0)
    pool = torch.cat([b.features[modality][b.present[modality]] for b in batches])
    labels = torch.cat([b.labels[b.present[modality]] for b in batches])
    for batch in batches:
        own, at = batch.features[modality][0], batch.present[modality][0]
        moved = torch.where(at[:, None], shift(own, at, pool, labels, generator), own)
        yield batch.with_features({**batch.features, modality: moved[None]})


@torch.inference_mode()
def score(
    model: AnyModel, batches: Sequence[ConversationBatch], modalities: Sequence[Modality]
) -> float:
    """Weighted F1 in percent, with some of the modalities."""
    confusion = torch.zeros(len(model.labels), len(model.labels), dtype=torch.long)
    for batch in batches:
        present = {m: p & (m in modalities) for m, p in batch.present.items()}
        predicted = model(batch.with_present(present)).logits.argmax(-1)
        known = batch.labels >= 0
        pairs = batch.labels[known] * len(confusion) + predicted[known]
        confusion += torch.bincount(pairs, minlength=confusion.numel()).view_as(confusion)
    return float(weighted_f1_from_confusion(confusion.numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("media", type=Path)
    parser.add_argument("--model", default="mmerc-mini")
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    parser.add_argument("--together", type=int, default=10, help="conversations per recording")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    corpus = PreparedCorpus.load(arguments.corpus)
    names = tuple(model.inputs.output_widths)
    subsets = [s for n in range(1, len(names) + 1) for s in combinations(names, n)]
    print("| shift | " + " | ".join(" + ".join(s) for s in subsets) + " | without | gap |")
    print("|---" * (len(subsets) + 3) + "|")
    plain = recordings(model, corpus, arguments.split, arguments.together)
    undisturbed = {s: score(model, plain, s) for s in subsets}

    def show(name: str, batches: list[ConversationBatch], modality: Modality | None) -> None:
        scores = {s: score(model, batches, s) for s in subsets}
        best = max(undisturbed[s] for s in subsets if modality not in s)
        cells = [f"{scores[s]:.1f}" for s in subsets]
        gap = "" if modality is None else f" {best:.1f} | {scores[names] - best:+.1f}"
        print(f"| {name} | " + " | ".join(cells) + f" |{gap or ' | '} |", flush=True)

    show("none", plain, None)
    part = replace(corpus, splits={arguments.split: corpus.splits[arguments.split]})
    for name in SOUND:
        table = changed(part, arguments.media, CHANGES[name])
        heard = replace(part, features={**part.features, "audio": table})
        show(name, recordings(model, heard, arguments.split, arguments.together), "audio")
    for (modality, name), shift in SHIFTS.items():
        show(name, list(shifted(plain, modality, shift)), modality)


if __name__ == "__main__":
    main()
