"""Fusion models as ONNX: same outputs as the model, with any absence and padding."""

import json

import pytest
import torch

from mmerc.conversation import MODALITIES
from mmerc.errors import MmercError
from mmerc.inference.onnx import export_model
from mmerc.inference.onnx import graph as graphs
from mmerc.inference.onnx.recurrent import _LoopedDialogueRnn
from mmerc.models.registry import _MODELS
from mmerc.nn.dialogue_rnn import DialogueRnn

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

FUSING = [name for name, model in _MODELS.items() if model.unit == "conversation"]
BY_THEMSELVES = [name for name, model in _MODELS.items() if model.unit == "utterance"]
SIZES = (4, 1, 7)


def answers(path, batch):
    """Outputs of the file for a batch: logits and probabilities."""
    session = onnxruntime.InferenceSession(str(path))
    given = {"mask": batch.mask, "speakers": batch.speakers}
    for modality, vectors in batch.features.items():
        given |= {modality: vectors, f"{modality}_present": batch.present[modality]}
    requested = {item.name: given[item.name].numpy() for item in session.get_inputs()}
    return [
        torch.from_numpy(value) for value in session.run(["logits", "probabilities"], requested)
    ]


def fitted(model):
    """Statistics and weights as after training: no zeros and ones that hide an error."""
    torch.manual_seed(1)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand_like(tensor))
    model.temperature = 1.7
    return model.eval()


@pytest.mark.parametrize("name", FUSING)
def test_onnx_file_predicts_like_the_model(name, make_model, make_batch, tmp_path):
    layers = {"layers": 2} if name == "multiemo" else {}
    model = fitted(make_model(name, **layers))
    exported = export_model(model, tmp_path / "model.onnx")
    assert exported.difference < 1e-5
    assert exported.size == (tmp_path / "model.onnx").stat().st_size
    for absent in (0.0, 0.4, 1.0):
        batch = make_batch(SIZES, absent=absent, seed=5)
        logits, probabilities = answers(tmp_path / "model.onnx", batch)
        with torch.no_grad():
            expected = model(batch).logits
        torch.testing.assert_close(logits[batch.mask], expected[batch.mask], atol=1e-5, rtol=1e-4)
        softened = (expected / 1.7).softmax(-1)[batch.mask]
        torch.testing.assert_close(probabilities[batch.mask], softened, atol=1e-5, rtol=1e-4)


def test_onnx_file_documents_its_inputs_and_outputs(make_model, tmp_path, label_names):
    model = fitted(make_model("concatenation", modalities=("text", "video")))
    exported = export_model(model, tmp_path / "model.onnx")
    free = ["conversations", "utterances"]
    assert exported.inputs == {
        "text": [*free, 12],
        "text_present": free,
        "video": [*free, 5],
        "video_present": free,
        "mask": free,
    }
    assert exported.outputs == {"logits": [*free, 4], "probabilities": [*free, 4]}
    file = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(file, full_check=True)
    said = {entry.key: entry.value for entry in file.metadata_props}
    assert json.loads(said["labels"]) == list(label_names.names)
    assert (said["model"], float(said["temperature"])) == ("concatenation", 1.7)


def test_text_encoder_is_not_exported(make_model, make_batch, tmp_path):
    model = fitted(make_model("df-erc", tokens=True))
    exported = export_model(model, tmp_path / "model.onnx")
    assert exported.inputs["text"][-1] == 32
    behind = sum(p.numel() for n, p in model.named_parameters() if "text_encoder" not in n)
    assert exported.size < 4 * behind + 100_000
    batch = make_batch(SIZES, tokenizer=model.tokenizer, absent=0.2)
    with torch.no_grad():
        vectors, _ = model.inputs(batch)
        expected = model(batch).logits
    read = batch.with_features({**batch.features, "text": vectors["text"]})
    logits, _ = answers(tmp_path / "model.onnx", read)
    torch.testing.assert_close(logits[batch.mask], expected[batch.mask], atol=1e-5, rtol=1e-4)


def test_vectors_of_very_different_sizes(make_model, tmp_path):
    """openSMILE's deviations range from 1e-7 to 1e4; the file is tested with such vectors."""
    model = make_model("df-erc").eval()
    model.inputs.deviation_audio = torch.logspace(-7, 4, len(model.inputs.deviation_audio))
    model.inputs.mean_audio = 2 * model.inputs.deviation_audio
    assert export_model(model, tmp_path / "model.onnx").difference < 1e-5


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_models_that_fuse_inside_their_encoders_are_refused(name, make_model, tmp_path):
    with pytest.raises(MmercError, match=f"{name} fuses inside its encoders") as caught:
        export_model(make_model(name), tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_file_with_different_outputs_is_not_kept(make_model, tmp_path, monkeypatch):
    forward = graphs.Graph.forward

    def shifted(self, *tensors):
        logits, probabilities = forward(self, *tensors)
        return logits + 0.01 * torch.jit.is_tracing(), probabilities

    monkeypatch.setattr(graphs.Graph, "forward", shifted)
    with pytest.raises(MmercError, match=r"differs from the model by 0\.01"):
        export_model(make_model("concatenation"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bidirectional", [True, False])
def test_looped_dialogue_rnn_equals_dialogue_rnn(bidirectional):
    torch.manual_seed(3)
    rnn = DialogueRnn(6, 5, modalities=2, bidirectional=bidirectional)
    vectors, speakers = torch.randn(2, 3, 9, 6), torch.randint(4, (3, 9))
    present = torch.rand(2, 3, 9) < 0.6
    with torch.no_grad():
        actual = _LoopedDialogueRnn(rnn)(vectors, present, speakers)
        expected = rnn(vectors, present, speakers)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def test_trial_inputs_cover_all_cases(make_model):
    """Trial inputs have padding, absent utterances and modalities, and NaN at absent places."""
    graph = graphs.Graph(make_model("df-erc"), exportable=False)
    given = dict(zip(graph.names, graphs.random_inputs(graph, (3, 5, 2), seed=0), strict=True))
    assert given["mask"].sum(1).tolist() == [3, 5, 2]
    for position, modality in enumerate(MODALITIES):
        present = given[f"{modality}_present"]
        assert not present[position].any()
        assert present.any()
        assert torch.equal(given[modality].isnan().any(-1), ~present)


def test_levelled_vectors_and_consistent_modalities(make_model, tmp_path):
    """Operations over the complete conversation are part of the file."""
    model = fitted(make_model("df-erc", levelling={}, consistency=True))
    exported = export_model(model, tmp_path / "model.onnx")
    assert exported.difference < 1e-5
    assert exported.inputs["speakers"] == ["conversations", "utterances"]
