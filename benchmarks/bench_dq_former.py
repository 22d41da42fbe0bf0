"""Speed and memory of DQ-Former: padding, a step of the mini pair, the large pair.

    python benchmarks/bench_dq_former.py padding CORPUS MEDIA
    python benchmarks/bench_dq_former.py step      # mini pair compared with its encoders, 4 s clips
    python benchmarks/bench_dq_former.py memory    # maximum resident size of the mini pair
    python benchmarks/bench_dq_former.py parts     # time of each part of a step of the mini pair
    python benchmarks/bench_dq_former.py large STEPS  # random BERT-large and WavLM-large; 0 steps:
    # no optimiser, only the size of its moments

Bars: padding under 15 % of the work; a step at most 1.1 times the encoders' forward and backward
pass; 3 GB; 24 GB. Times are processor seconds on one thread, which do not include other programs.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel, BertTokenizerFast, WavLMConfig, WavLMModel

from mmerc.data.batch import ConversationBatch, Tokens, Waveforms
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import add_corpus_sounds
from mmerc.data.sampling import DEFAULT_PADDING, BalancedSampler, BatchItem
from mmerc.data.sounds import SAMPLE_RATE
from mmerc.data.utterance_batches import SAMPLE_STEP, TOKEN_STEP
from mmerc.labels import MELD_7
from mmerc.models.base import AnyModel
from mmerc.models.registry import create_model
from mmerc.nn.padding import round_up
from mmerc.nn.whisper import log_mel
from mmerc.prediction.run_model import build_model_examples
from mmerc.training.optimization import clip_gradients, create_optimizer
from mmerc.training.recipe import Recipe
from mmerc.training.recipe_files import load_recipe

TEXT_COST, SOUND_COST = 6, 5  # layers of each mini encoder (its convolutions count as one)
ROUNDS = 8


def padding(corpus: Path, media: Path) -> None:
    """Measure the share of padding in the encoders' work, over an epoch of dq-former-composed."""
    heard = add_corpus_sounds(PreparedCorpus.load(corpus), media)
    recipe = load_recipe("dq-former-composed")
    model = create_model(recipe.model, labels=heard.labels, widths={})
    examples = build_model_examples(model, heard.splits["train"], {}, heard.sounds)
    tokens = [sum(map(len, example.token_ids or [])) for example in examples]
    samples = [round(SAMPLE_RATE * sum(example.seconds)) for example in examples]
    labels = [int(example.labels) for example in examples]
    items = [BatchItem.of(example) for example in examples]
    for name, bound in {"as trained": DEFAULT_PADDING, "at random": 1.0}.items():
        sampler = BalancedSampler(
            items, labels, size=8, seed=0, upsampling=0.5, per_epoch=10_000, padding=bound
        )
        real = padded = 0.0
        for batch in sampler:
            real += sum(TEXT_COST * tokens[i] + SOUND_COST * samples[i] / 320 for i in batch)
            text = round_up(max(tokens[i] for i in batch), TOKEN_STEP)
            sound = round_up(max(samples[i] for i in batch), SAMPLE_STEP) / 320
            padded += len(batch) * (TEXT_COST * text + SOUND_COST * sound)
        print(f"padding {name}: {100 * (1 - real / padded):.1f} %")


def batch_of(*, utterances: int, seconds: float, tokens: int) -> ConversationBatch:
    """Create a batch of random words and noise, without padding."""
    shape = (utterances, 1)
    everywhere, samples = torch.ones(shape, dtype=torch.bool), round(seconds * SAMPLE_RATE)
    return ConversationBatch(
        features={},
        present={"text": everywhere, "audio": everywhere},
        mask=everywhere,
        speakers=torch.zeros(shape, dtype=torch.long),
        labels=torch.randint(len(MELD_7), shape),
        indices=torch.arange(utterances),
        tokens=Tokens(
            token_ids=torch.randint(1000, 20_000, (*shape, tokens)),
            attention_mask=torch.ones(*shape, tokens, dtype=torch.bool),
            targets=torch.ones(*shape, tokens, dtype=torch.bool),
        ),
        waveforms=Waveforms(
            samples=0.1 * torch.randn(*shape, samples), lengths=torch.full(shape, samples)
        ),
    )


def forward_backward(model: AnyModel, batch: ConversationBatch) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(batch).loss
    loss.backward()


def encoders_alone(model: AnyModel, batch: ConversationBatch) -> None:
    """Run both encoders, requesting only the last states."""
    if not (batch.tokens and batch.waveforms and model.text_encoder and model.speech_encoder):
        raise TypeError("DQ-Former needs tokens and waveforms")
    tokens, sound = batch.tokens, batch.waveforms
    text, speech = model.text_encoder.backbone, model.speech_encoder
    ids, mask = tokens.token_ids[:, 0], tokens.attention_mask[:, 0]
    back(lambda: text(input_ids=ids, attention_mask=mask).last_hidden_state)
    back(lambda: speech(sound.samples[:, 0], sound.lengths[:, 0])[0][-1])


def seconds(*functions: Callable[[], None]) -> list[float]:
    """Return the best of several rounds of each, in turn, in processor seconds."""
    outcome: list[list[float]] = [[] for _ in functions]
    for _ in range(1 + ROUNDS):  # the first round warms up
        for function, times in zip(functions, outcome, strict=True):
            started = time.process_time()
            function()
            times.append(time.process_time() - started)
    return [min(times[1:]) for times in outcome]


def gigabytes() -> float:
    """Return the maximum resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def mini() -> tuple[AnyModel, Recipe]:
    recipe = load_recipe("dq-former-composed")
    return create_model(recipe.model, labels=MELD_7, widths={}).train(), recipe


def step() -> None:
    model, recipe = mini()
    batch = batch_of(utterances=8, seconds=4, tokens=96)
    optimizer = create_optimizer(model, recipe.training)
    runs = partial(encoders_alone, model, batch), partial(forward_backward, model, batch)
    alone, whole, update = seconds(*runs, lambda: void(optimizer.step()))
    least, products = map(count_products, runs)
    print(f"both encoders, forward and backward: {alone:.3f} s")
    print(
        f"DQ-Former, forward and backward: {whole:.3f} s ({whole / alone:.2f} times;"
        f" {products / least:.2f} times the products)"
    )
    print(f"optimiser: {update:.3f} s")
    print(f"an epoch of 1,250 steps: {(whole + update) * 1250 / 60:.1f} min")


def count_products(function: Callable[[], None]) -> float:
    """Count the floating-point operations of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def parts() -> None:
    """Measure forward and backward of each part of a typical step, and the rest."""
    model, recipe = mini()
    batch = batch_of(utterances=8, seconds=3.68, tokens=72)
    if not (batch.tokens and batch.waveforms and model.text_encoder and model.speech_encoder):
        raise TypeError("DQ-Former needs tokens and waveforms")
    ids, mask = batch.tokens.token_ids[:, 0], batch.tokens.attention_mask[:, 0]
    samples, lengths = batch.waveforms.samples[:, 0], batch.waveforms.lengths[:, 0]
    text, speech = model.text_encoder.backbone, model.speech_encoder
    optimizer = create_optimizer(model, recipe.training)
    pieces: dict[str, Callable[[], None]] = {
        "text": lambda: back(lambda: text(input_ids=ids, attention_mask=mask).last_hidden_state),
        "sound": lambda: back(lambda: speech(samples, lengths)[0][-1]),
        "spectrogram": lambda: void(log_mel(samples, frames=369, bands=80)),
        "all of it": lambda: forward_backward(model, batch),
        "clipping": lambda: clip_gradients(optimizer, largest=1.0),
        "optimiser": lambda: void(optimizer.step()),
    }
    for name, piece in pieces.items():
        print(f"{name}: {1000 * seconds(piece)[0]:.0f} ms")


def back(forward: Callable[[], Tensor]) -> None:
    """Run forward and backward."""
    with torch.autocast("cpu", torch.bfloat16):
        states = forward()
    states.float().mean().backward()


def void(_result: object) -> None:
    """Do nothing."""


def memory() -> None:
    model, recipe = mini()
    optimizer = create_optimizer(model, recipe.training)
    for length in (4, 10):
        for _ in range(2):
            forward_backward(model, batch_of(utterances=8, seconds=length, tokens=128))
            optimizer.step()
            optimizer.zero_grad()
        print(f"mini pair, batch 8, clips of {length} s: at most {gigabytes():.2f} GB")


def large_pair() -> tuple[AnyModel, Recipe]:
    """Create dq-former-meld-large with random weights (BERT-large and WavLM-large sizes)."""
    with tempfile.TemporaryDirectory() as folder:
        text, speech = Path(folder) / "bert", Path(folder) / "wavlm"
        big = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
        words = {f"w{i}": i for i in range(30_517)}
        special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
        words |= {name: len(words) + i for i, name in enumerate(special)}
        BertTokenizerFast(vocab=words).save_pretrained(text)
        BertModel(BertConfig(**big, intermediate_size=4096)).save_pretrained(text)
        stable = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
        settings = WavLMConfig(**big, **stable, intermediate_size=4096)
        WavLMModel(settings).save_pretrained(speech)
        (speech / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
        names = (f"model.text_encoder.name={text}", f"model.speech_encoder.name={speech}")
        recipe = load_recipe("dq-former-meld-large", names)
        return create_model(recipe.model, labels=MELD_7, widths={}).train(), recipe


def large(steps: int = 2) -> None:
    """Run complete steps with checkpointing, batch 1, ten seconds and 512 tokens."""
    model, recipe = large_pair()
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"large pair, {count / 1e6:.0f} million parameters")
    optimizer = create_optimizer(model, recipe.training) if steps else None
    for number in range(max(1, steps)):
        started = time.process_time()
        forward_backward(model, batch_of(utterances=1, seconds=10, tokens=512))
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()
        spent = time.process_time() - started
        print(f"step {number + 1}: {spent:.1f} s, at most {gigabytes():.1f} GB so far")
    if not steps:  # AdamW's two moments, 32 bits each
        print(f"and {8 * count / 2**30:.1f} GB for the optimiser, which did not run")


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    what, *arguments = sys.argv[1:] or ["step"]
    if what == "padding":
        padding(*map(Path, arguments))
    elif what == "large":
        large(*map(int, arguments))
    else:
        {"step": step, "memory": memory, "parts": parts}[what]()
