import pytest
import torch
from dq_former_oracles import (
    confidence_oracle,
    cross_modal_oracle,
    encoder_layer_oracle,
    fusion_oracle,
    logits_oracle,
    objective_oracle,
)
from pydantic import ValidationError
from utterance_batches import batch_of, utterances

from mmerc.errors import UsageError
from mmerc.models.dq_former import DqFormerConfig
from mmerc.models.dq_former.fusion_layer import _CrossModalAttention
from mmerc.models.dq_former.priority import ConfidenceNetwork, equal_confidence
from mmerc.nn.cross_attention import TransformerLayer
from mmerc.nn.streams import Stream

SIZES = (2, 3)
PAIR = ("text", "audio")
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture
def make(make_sound_model):
    """A function that creates a small DQ-Former on the tiny encoders, with distinct confidences."""

    def build(**settings):
        model = make_sound_model("dq-former", **settings).eval()
        for layer in model.layers:
            if layer.confidence is not None:
                torch.nn.init.normal_(layer.confidence.score.weight, std=3.0)
        return model

    return build


def states_by_utterance(model, batch):
    """Each utterance's real states {m: layers of vectors}, read from the model's streams."""
    streams = model.streams(batch)
    count = int(batch.mask.sum())
    return [
        {
            m: [
                [state[row, i] for i in stream.mask[row].nonzero().flatten().tolist()]
                for state in stream.last(len(model.layers))
            ]
            for m, stream in streams.items()
            if stream.mask[row].any()
        }
        for row in range(count)
    ]


VARIANTS = {
    "paper": {},
    "tau 0.2": {"threshold": 0.2},
    "tau 0.45": {"threshold": 0.45},
    "w/o tau": {"threshold": 0.0},
    "w/o DMP": {"priority": False},
    "late": {"fusion": "late"},
    "early": {"fusion": "early"},
    "Eq. 9": {"residual": False},
    "other width": {"width": 16},
    "own states": {"history_states": False},
    "vision": {"modalities": ("text", "audio", "video")},
}


@pytest.fixture(params=VARIANTS)
def model(request, make):
    return make(**VARIANTS[request.param])


@pytest.fixture
def batch(model):
    groups = utterances(SIZES, tokenizer=model.tokenizer, absent=0.25, seed=5, video=5)
    batch = batch_of(groups, video=5)
    assert not all(present[batch.mask].all() for present in batch.present.values())
    return batch


@torch.no_grad()
def test_complete_model(model, batch):
    output = model(batch)
    chosen = batch.mask
    for row, states in enumerate(states_by_utterance(model, batch)):
        if not states:
            continue
        fused, _, confidence = logits_oracle(model, states)
        torch.testing.assert_close(output.logits[chosen][row], fused, **CLOSE)
        for m, weights in output.explanation.layer_weights.items():
            expected = torch.stack([c.get(m, torch.tensor(0.0)) for c in confidence])
            torch.testing.assert_close(weights[chosen][row], expected, **CLOSE)
            mean = output.explanation.weights[m][chosen][row]
            torch.testing.assert_close(mean, expected.mean(), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("alone_weight", [1.0, 0.3])
def test_objective(make, alone_weight):
    model = make(alone_weight=alone_weight)
    groups = utterances((3, 2), tokenizer=model.tokenizer, absent=0.2, seed=3)
    groups[0][1]["label"] = -100
    batch = batch_of(groups)
    output = model(batch)
    states = states_by_utterance(model, batch)
    assert all(states)
    labels = batch.labels[batch.mask].tolist()
    assert -100 in labels
    assert not all(m in existing for existing in states for m in ("text", "audio"))
    terms, loss = objective_oracle(model, states, labels)
    assert output.losses.keys() == terms.keys()
    for name, value in terms.items():
        torch.testing.assert_close(output.losses[name], value, **CLOSE)
    torch.testing.assert_close(output.loss, loss, **CLOSE)


@torch.no_grad()
def test_fused_queries(make):
    model = make()
    batch = batch_of(utterances(SIZES, tokenizer=model.tokenizer, seed=1))
    queries, confidence = model.fuse(model.streams(batch))
    for row, states in enumerate(states_by_utterance(model, batch)):
        expected, actual = fusion_oracle(model, states)
        torch.testing.assert_close(queries[row], torch.stack(expected), **CLOSE)
        for m, weights in confidence.items():
            torch.testing.assert_close(weights[row], torch.stack([c[m] for c in actual]), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"residual": False}, {"fusion": "late"}])
def test_untrained_queries_tell_utterances_apart(make_sound_model, settings):
    model = make_sound_model("dq-former", **settings).eval()
    torch.manual_seed(0)
    states = 0.3 * torch.randn(2, 16, 1, 32)  # one vector per utterance and modality
    mask = torch.ones(16, 1, dtype=torch.bool)
    queries, _ = model.fuse({m: Stream((s,) * 2, mask) for m, s in zip(PAIR, states, strict=True)})
    fused = queries.mean(1)
    assert fused.std(0).mean() > 0.5 * fused.std()


@torch.no_grad()
def test_untrained_model_predicts_uniformly(make_sound_model):
    model = make_sound_model("dq-former").eval()
    batch = batch_of(utterances(SIZES, tokenizer=model.tokenizer, seed=1))
    logits = model(batch).logits[batch.mask]
    assert float(logits.softmax(-1).std(-1).max()) < 0.05


@torch.no_grad()
def test_cross_modal_attention():
    torch.manual_seed(0)
    layer = _CrossModalAttention(16, heads=4, dropout=0.3).eval()
    torch.nn.init.normal_(layer.inner_norm.bias)
    queries, states = torch.randn(2, 3, 16), torch.randn(2, 5, 16)
    mask = torch.tensor([[True] * 5, [False, True, True, False, True]])
    actual = layer(queries, states, mask)
    for row in range(2):
        expected = cross_modal_oracle(layer, queries[row], states[row, mask[row]])
        torch.testing.assert_close(actual[row], torch.stack(expected), **CLOSE)


@torch.no_grad()
def test_query_self_attention():
    torch.manual_seed(0)
    layer = TransformerLayer(16, heads=8, dropout=0.3).eval()
    queries = torch.randn(2, 3, 16)
    actual = layer(queries, queries, torch.ones(2, 3, dtype=torch.bool))
    for row in range(2):
        expected = encoder_layer_oracle(layer, list(queries[row]))
        torch.testing.assert_close(actual[row], torch.stack(expected), **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.4])
def test_confidence(threshold):
    torch.manual_seed(2)
    network = ConfidenceNetwork(6, threshold=threshold)
    torch.nn.init.normal_(network.score.weight, std=2.0)
    states = {m: torch.randn(20, 4, 6) for m in ("text", "audio", "video")}
    masks = {m: torch.rand(20, 4) > 0.6 for m in states}
    actual = network(states, masks)
    cut = 0
    for row in range(20):
        existing = {m: states[m][row, masks[m][row]] for m in states if masks[m][row].any()}
        expected = confidence_oracle(network, existing, threshold) if existing else {}
        for m in states:
            value = expected.get(m, torch.tensor(0.0))
            torch.testing.assert_close(actual[m][row], value)
            cut += m in existing and float(value) == 0
    assert (cut > 0) == (threshold > 0)


def test_modalities_count_equally_without_priority():
    masks = {
        "text": torch.tensor([[True, False], [True, True], [False, False]]),
        "audio": torch.tensor([[True], [False], [False]]),
    }
    actual = equal_confidence(masks)
    assert actual["text"].tolist() == [0.5, 1.0, 0.0]
    assert actual["audio"].tolist() == [0.5, 0.0, 0.0]


def test_fused_layers(make):
    middle, late, early = (make(fusion=fusion) for fusion in ("middle", "late", "early"))
    assert [len(model.layers) for model in (middle, late, early)] == [2, 1, 2]
    stream = middle.streams(batch_of(utterances((1,), tokenizer=middle.tokenizer)))["audio"]
    assert stream.last(1)[0] is stream.states[-1]
    assert stream.last(2)[0] is stream.states[-2]
    with pytest.raises(UsageError, match=r"fusion_layers is 3, but an encoder has only 2"):
        make(fusion_layers=3)


def test_invalid_settings_are_refused():
    with pytest.raises(ValidationError, match="width 20 is not a multiple of 8 heads"):
        DqFormerConfig(width=20)


@pytest.mark.parametrize("settings", [{}, {"alone_weight": 0.0}])
def test_unimodal_losses_are_reported_even_with_zero_weight(make, settings):
    model = make(**settings)
    output = model(batch_of(utterances((2,), tokenizer=model.tokenizer)))
    weight = settings.get("alone_weight", 1.0)
    alone = output.losses["emotion_text"] + output.losses["emotion_audio"]
    torch.testing.assert_close(output.loss, output.losses["emotion"] + weight * alone)
