"""Further training of a text encoder's LoRA adapters on the user's labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from mmerc.annotation.rated_lines import read_one_rater
from mmerc.conversation import Conversation
from mmerc.corpora.manifest import read_unlabelled_manifest
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader
from mmerc.data.examples import Example
from mmerc.data.preparation import published_tables
from mmerc.errors import UsageError
from mmerc.evaluation.conversation_folds import assign_folds
from mmerc.evaluation.held_out_gain import HeldOutGain, group_conversations
from mmerc.labels import UNKNOWN_LABEL
from mmerc.models.base import AnyModel
from mmerc.nn.bert import Bert, UpperBert
from mmerc.nn.text_encoder import TextEncoder
from mmerc.precision import fast_bfloat16
from mmerc.prediction.run_model import build_model_examples, run_model

_EPOCHS, _LEARNING_RATE, _BATCH = 6, 3e-4, 4  # examples per batch [decided on our own corpus]
_LAYERS = 3  # number of trained layers of a BERT; the lower ones read each text only once
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledExamples:
    """Labelled conversations as model input, and the conversation of each example."""

    examples: tuple[Example, ...]
    names: tuple[str, ...]

    @property
    def gold(self) -> NDArray[np.int64]:
        """The labels of all utterances in order, -100 if unlabelled. Shape: [N]."""
        return np.concatenate([example.labels.numpy() for example in self.examples])

    @property
    def utterance_names(self) -> NDArray[np.str_]:
        """The conversation of each utterance. Shape: [N]."""
        return np.repeat(np.array(self.names), [len(example) for example in self.examples])

    def select(self, chosen: Iterable[bool]) -> tuple[Example, ...]:
        return tuple(item for item, use in zip(self.examples, chosen, strict=True) if use)


def read_labelled_examples(model: AnyModel, files: Sequence[str | Path]) -> LabelledExamples:
    """Read manifests with labels; InputError if damaged or without text."""
    examples: list[Example] = []
    names: list[str] = []
    for path in map(Path, files):
        manifest = read_unlabelled_manifest(path)
        tables = published_tables(path.stem, {"test": manifest.conversations}, manifest.features)
        for conversation in _label_conversations(path, manifest.conversations, model):
            built = build_model_examples(model, [conversation], tables)
            examples += built
            names += [conversation.id] * len(built)
    numbered = (replace(item, index=place) for place, item in enumerate(examples))
    return LabelledExamples(examples=tuple(numbered), names=tuple(names))


def _label_conversations(
    path: Path, conversations: Sequence[Conversation], model: AnyModel
) -> Iterator[Conversation]:
    """Return the conversations with a label, with labels in the model's spelling."""
    spelled = {name.casefold(): name for name in model.labels}
    labels = {
        (line.conversation, line.id): spelled.get(line.label.casefold())
        for line in read_one_rater(path)
        if line.label
    }
    for conversation in conversations:
        utterances = tuple(
            replace(item, label=labels.get((conversation.id, item.id)))
            for item in conversation.utterances
        )
        if any(item.label for item in utterances):
            yield replace(conversation, utterances=utterances)


def refit_lora(model: AnyModel, labelled: LabelledExamples, *, seed: int = 0) -> HeldOutGain:
    """Train the text encoder's adapters on all labels; measure the gain by cross-validation.

    Everything else is unchanged. The gain over the original model uses adapters trained without the
    evaluated fold of conversations; nothing is chosen by it. Afterwards the model has the adapters
    trained on all labels. UsageError for a model whose text encoder has no adapters.
    """
    encoder = _find_encoder(model)
    known = labelled.gold >= 0
    gold, names = labelled.gold[known], labelled.utterance_names[known]
    groups = group_conversations(gold, names.tolist())
    before = _log_probabilities(model, labelled.examples)[known]
    held_out = np.zeros_like(before)
    folds = assign_folds(groups, seed=seed)
    fold_of = dict(zip(names.tolist(), folds.tolist(), strict=True))
    inside = {
        fold: np.array([fold_of[name] == fold for name in labelled.names])
        for fold in np.unique(folds).tolist()
    }
    batches = {fold: _form_batches(model, labelled.select(inside[fold])) for fold in inside}
    with _upper_layers(encoder) as adapters:
        start = [value.detach().clone() for value in adapters]
        for fold, chosen in inside.items():
            _restore(adapters, start)
            others = [batches[other] for other in batches if other != fold]
            _train(model, list(chain(*others)), adapters, seed=seed)
            rows = known[np.repeat(chosen, [len(item) for item in labelled.examples])]
            held_out[folds == fold] = _log_probabilities(model, labelled.select(chosen))[rows]
        _restore(adapters, start)
        _train(model, list(chain(*batches.values())), adapters, seed=seed)
    return HeldOutGain.measure(before, held_out, gold, groups, seed=seed)


def _form_batches(model: AnyModel, examples: Sequence[Example]) -> list[ConversationBatch]:
    """Form the batches of a fold; they are the same in every epoch, so text rows recur."""
    loader = batch_loader(examples, tokenizer=model.tokenizer, size=_BATCH, shuffle=False)
    return list(loader)


def _find_encoder(model: AnyModel) -> TextEncoder:
    """Return the text encoder; UsageError if it has no adapters."""
    encoder = model.text_encoder
    if not isinstance(encoder, TextEncoder) or encoder.config.tuning != "lora":
        raise UsageError(
            "--lora needs a model whose text encoder has LoRA adapters, such as mmerc-mini-text; "
            "without it, the output layer is refitted."
        )
    return encoder


@contextmanager
def _upper_layers(encoder: TextEncoder) -> Iterator[list[torch.nn.Parameter]]:
    """Enable training of the last layers' adapters only; of all, if the network is not a BERT."""
    adapted = encoder.backbone
    bert = adapted.get_base_model()
    if not isinstance(bert, Bert):
        yield [p for p in encoder.parameters() if p.requires_grad]
        return
    upper = UpperBert(bert, trained=_LAYERS)
    adapted.base_model.model = upper
    try:
        yield [p for p in upper.upper.parameters() if p.requires_grad]
    finally:
        adapted.base_model.model = bert


@torch.no_grad()
def _restore(parameters: Sequence[torch.nn.Parameter], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)


def _train(
    model: AnyModel,
    batches: Sequence[ConversationBatch],
    parameters: Sequence[torch.nn.Parameter],
    *,
    seed: int,
) -> None:
    """Train the adapters; only the trained layers of the text encoder have dropout."""
    optimizer = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=0.0)
    torch.manual_seed(seed)
    model.eval()
    if model.text_encoder is not None:
        model.text_encoder.train()
    for _ in range(_EPOCHS):
        for place in torch.randperm(len(batches)).tolist():
            batch = batches[place]
            unknown = torch.full_like(batch.labels, UNKNOWN_LABEL)
            with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16("cpu")):
                output = model(replace(batch, labels=unknown))
            logits = model.calibrate(output.logits.float(), model.find_used(batch))
            loss = cross_entropy(
                logits.flatten(0, 1), batch.labels.flatten(), ignore_index=UNKNOWN_LABEL
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    model.eval()


def _log_probabilities(model: AnyModel, examples: Sequence[Example]) -> NDArray[np.float64]:
    """Log probabilities of all utterances. Shape: -> [N, K]."""
    output = run_model(model, examples, effects=True)
    return np.asarray(np.log(np.maximum(output.probabilities.double().numpy(), _SMALLEST)))
