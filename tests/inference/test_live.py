"""Live predictions do not depend on later utterances."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError
from mmerc.inference.live import Live
from mmerc.inference.pipeline import Pipeline
from mmerc.prediction import window_encoding
from mmerc.prediction.short_rows import group_sizes
from mmerc.prediction.utterance_predictions import predict

WIDTHS = {"audio": 10, "video": 8}
WORDS = ["well", "yes", "no", "never", "again", "today", "why", "not", "because", "perhaps"]


@pytest.fixture
def model(make_model):
    return make_model("df-erc", tokens=True, widths=WIDTHS, bidirectional=False).eval()


def talk(count, *, seed=0):
    numbers = np.random.default_rng(seed)
    for number in range(count):
        text = " ".join(numbers.choice(WORDS, size=4))
        vectors = {m: numbers.normal(3, 2, width).astype(np.float32) for m, width in WIDTHS.items()}
        if number % 3 == 1:
            vectors["video"] = None
        yield Utterance(id=str(number), speaker="AB"[number % 2], text=text), vectors


def numbers_of(predictions):
    return np.array([list(item.probabilities.values()) for item in predictions])


def test_later_utterances_change_nothing(model):
    whole = list(Live(model=model).follow(talk(9)))
    heard = list(talk(9))
    for count in (1, 4, 8):
        part = list(Live(model=model).follow(heard[:count]))
        np.testing.assert_array_equal(numbers_of(part), numbers_of(whole[:count]))


def test_each_result_comes_before_the_next_request(model):
    asked = []

    def stream():
        for utterance, vectors in talk(3):
            asked.append(utterance.id)
            yield utterance, vectors

    predictions = Live(model=model).follow(stream())
    assert next(predictions).id == "0" and asked == ["0"]
    assert next(predictions).id == "1" and asked == ["0", "1"]


def test_causal_model_is_equal_live_and_offline(make_model, monkeypatch):
    """Text only: nothing is levelled, and with enough history live and offline are equal."""
    monkeypatch.setattr(window_encoding, "fast_bfloat16", lambda device: False)
    encoder = {"scope": "utterance"}
    model = make_model("df-erc", tokens=True, encoder=encoder, widths=WIDTHS, bidirectional=False)
    utterances = tuple(utterance for utterance, _ in talk(12))
    at_once = predict(model, [Conversation(id="c", utterances=utterances)], {})
    live = list(Live(model=model).follow((utterance, {}) for utterance in utterances))
    np.testing.assert_allclose(numbers_of(live), numbers_of(at_once), atol=1e-5)
    assert [item.text for item in live] == [item.text for item in at_once]


def test_history_is_bounded(model):
    live = Live(model=model, history=2, level=3)
    for utterance, vectors in talk(6):
        last = live.hear(utterance, vectors)
    assert len(live.past) == 3
    again = Live(model=model, history=2, level=3)
    late = [again.hear(utterance, vectors) for utterance, vectors in list(talk(6))[3:]]
    assert late[-1].probabilities == last.probabilities


def test_growing_context_compiles_few_kernels(model, monkeypatch):
    """The kernel of every bfloat16 shape stays in memory permanently; float32 kernels do not."""
    monkeypatch.setattr(window_encoding, "fast_bfloat16", lambda device: True)
    shapes, product = set(), torch.nn.functional.linear

    def see(inputs, weight, bias=None):
        if torch.bfloat16 == weight.dtype or torch.is_autocast_enabled("cpu"):
            shapes.add(tuple(inputs.shape[:-1]))
        return product(inputs, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", see)
    pipeline = Pipeline(model=model, name="tiny", extractors={}, live=True)
    utterances = tuple(utterance for utterance, _ in talk(12))
    pipeline.read([Conversation(id="c", utterances=utterances)], name="talk.txt")
    assert len(list(Live(model=model).follow(talk(12)))) == 12
    assert shapes
    assert all(rows in group_sizes(rows, n) and not n % 16 for rows, n in shapes)


def test_repeated_id_is_refused(model):
    live = Live(model=model)
    first, second = list(talk(2))
    live.hear(*first)
    with pytest.raises(InputError, match="occurs twice"):
        live.hear(replace(second[0], id="0"), second[1])
    assert live.hear(*second).id == "1"


def test_live_pipeline(model):
    """Lines appended to a transcript do not change earlier predictions."""
    pipeline = Pipeline(model=model, name="tiny", extractors={}, live=True)
    utterances = tuple(utterance for utterance, _ in talk(6))
    whole = pipeline.read([Conversation(id="c", utterances=utterances)], name="talk.txt")
    part = pipeline.read([Conversation(id="c", utterances=utterances[:4])], name="talk.txt")
    assert [item.conversation for item in whole.predictions] == ["c"] * 6
    assert part.predictions == whole.predictions[:4]
