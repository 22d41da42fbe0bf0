"""A tiny text encoder, small random conversations, corpora and models, as fixtures."""

import random
import string

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast, WhisperConfig, WhisperModel

from mmerc.conversation import MODALITIES, SPLITS, Conversation, Utterance
from mmerc.data.batches import _Collate
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.examples import Example
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.labels import LabelSet
from mmerc.models.registry import create_model, model_class
from mmerc.nn.text_encoder import TextEncoderConfig

torch.set_num_threads(1)

LABELS = LabelSet("own", ("calm", "glad", "sad", "cross"))
WIDTHS = {"text": 12, "audio": 7, "video": 5}
WORDS = (
    "yes", "no", "why", "well", "you", "me", "they", "went", "came", "saw", "red", "blue", "tall",
    "small", "never", "always",
)  # fmt: skip


@pytest.fixture(scope="session")
def label_names():
    """Four emotions, in an order that is not alphabetical."""
    return LABELS


@pytest.fixture(scope="session")
def widths():
    """Width of each modality's vectors in the random examples."""
    return WIDTHS


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Folder of a random BERT of two layers, 32 wide, 64 positions, with a WordPiece vocabulary."""
    folder = tmp_path_factory.mktemp("tiny-encoder")
    letters = string.ascii_lowercase + string.digits
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.punctuation, *letters]
    tokens += [f"##{letter}" for letter in letters]
    tokens += WORDS
    tokenizer = BertTokenizerFast(vocab={token: i for i, token in enumerate(tokens)})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,  # like trained weights: the words must make a difference
    )
    BertModel(settings).save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def tiny_speech_encoder(tmp_path_factory):
    """Folder of a random Whisper whose encoder has two layers, 32 wide, and 600 positions."""
    folder = tmp_path_factory.mktemp("tiny-speech-encoder")
    torch.manual_seed(0)
    settings = WhisperConfig(
        d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=64,
        num_mel_bins=20, max_source_positions=600, decoder_layers=0, vocab_size=1, pad_token_id=0,
        bos_token_id=0, eos_token_id=0, decoder_start_token_id=0, init_std=0.2,
    )  # fmt: skip
    WhisperModel(settings).save_pretrained(folder)
    return folder


def random_text(generator, words=6):
    return " ".join(generator.choices(WORDS, k=generator.randint(1, words)))


@pytest.fixture(scope="session")
def make_conversation():
    """A function that creates a conversation with random words, speakers and labels."""

    def make(name, size, *, seed=0, speakers=3, unknown=0.0, empty=0.0):
        generator = random.Random(f"{name}-{size}-{seed}")
        return Conversation(
            id=name,
            utterances=tuple(
                Utterance(
                    id=f"{name}-{i}",
                    speaker=f"speaker {generator.randrange(speakers)}",
                    text="" if generator.random() < empty else random_text(generator),
                    label=None if generator.random() < unknown else generator.choice(LABELS.names),
                )
                for i in range(size)
            ),
        )

    return make


def random_examples(
    sizes,
    *,
    seed=0,
    absent=0.0,
    unknown=0.0,
    speakers=3,
    tokenizer=None,
    widths=None,
):
    """Examples of random vectors; with ``tokenizer`` the text is tokens instead."""
    numbers = np.random.default_rng(seed)
    words = random.Random(seed)
    widths = dict(WIDTHS if widths is None else widths)
    if tokenizer is not None:
        widths.pop("text", None)
    examples = []
    for index, size in enumerate(sizes):
        present = {m: torch.from_numpy(numbers.random(size) >= absent) for m in MODALITIES}
        features = {
            m: torch.from_numpy(numbers.normal(size=(size, width)).astype("float32"))
            * present[m][:, None]
            for m, width in widths.items()
        }
        labels = numbers.integers(len(LABELS), size=size)
        labels[numbers.random(size) < unknown] = -100
        token_ids = None
        if tokenizer is not None:
            texts = [random_text(words) if existing else "" for existing in present["text"]]
            token_ids = tokenizer.encode(texts, limit=16)
        examples.append(
            Example(
                index=index,
                features=features,
                present={m: present[m] for m in MODALITIES if m in features or m == "text"},
                speakers=torch.from_numpy(numbers.integers(speakers, size=size)),
                labels=torch.from_numpy(labels),
                token_ids=token_ids,
            )
        )
    return examples


@pytest.fixture(scope="session")
def make_examples():
    """A function that creates examples with random vectors (or tokens), absences and labels."""
    return random_examples


@pytest.fixture(scope="session")
def make_batch():
    """A function that creates one padded batch of such examples."""

    def make(sizes, *, tokenizer=None, **settings):
        return _Collate(tokenizer)(random_examples(sizes, tokenizer=tokenizer, **settings))

    return make


@pytest.fixture(scope="session")
def small_corpus(make_conversation):
    """A trimodal corpus of three splits, with absent vectors, unknown labels and empty texts."""
    sizes = {"train": (1, 5, 8, 3, 6, 4), "valid": (4, 2, 7), "test": (3, 9, 5)}
    splits = {
        split: tuple(
            make_conversation(
                f"{split}-{i}", size, speakers=1 + i % 4, unknown=0.1 * (i > 0), empty=0.1
            )
            for i, size in enumerate(sizes[split])
        )
        for split in SPLITS
    }
    numbers = np.random.default_rng(0)
    features = {}
    for modality, width in WIDTHS.items():
        spec = FeatureSpec(modality=modality, extractor="random", dim=width)
        rows = []
        for conversation in (item for group in splits.values() for item in group):
            for utterance in conversation.utterances:
                existing = numbers.random() >= 0.15
                vector = numbers.normal(size=width).astype("float32") if existing else None
                rows.append(
                    FeatureRow(
                        conversation=conversation.id,
                        utterance=utterance.id,
                        vector=vector,
                        absent_because=None if existing else "left out at random",
                    )
                )
        features[modality] = FeatureTable.of(spec, rows)
    return PreparedCorpus(name="small", labels=LABELS, splits=splits, features=features)


@pytest.fixture(scope="session")
def make_model(tiny_encoder):
    """A function that creates a small registered model; ``tokens`` gives it the tiny encoder."""

    def make(name, *, tokens=False, seed=0, encoder=None, widths=WIDTHS, labels=LABELS, **settings):
        config_class = model_class(name).config_class
        small = {
            field: 16
            for field, description in config_class.model_fields.items()
            if field.endswith(("width", "hidden")) and description.annotation is int
        }
        if "fusion_layers" in config_class.model_fields:
            small["fusion_layers"] = 2  # as many layers as the tiny encoder has
        if "layers" in config_class.model_fields:
            small["layers"] = 2
        text = TextEncoderConfig(name=str(tiny_encoder), **(encoder or {})) if tokens else None
        config = config_class(**({"text_encoder": text} | small | settings), name=name)
        torch.manual_seed(seed)
        return create_model(config, labels=labels, widths=widths)

    return make


@pytest.fixture(scope="session")
def make_sound_model(make_model, tiny_speech_encoder):
    """A function that creates a small model that trains the tiny text and speech encoders."""

    def make(name, *, encoder=None, **settings):
        return make_model(
            name,
            tokens=True,
            encoder=encoder,
            speech_encoder={"name": str(tiny_speech_encoder), **(encoder or {})},
            **({"width": 32} if "width" in model_class(name).config_class.model_fields else {})
            | settings,
        )

    return make
