"""Models in folders: damaged, foreign or missing files are reported in one sentence."""

import json
import shutil

import pytest
import torch

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.models.registry import _MODELS, load_model, model_class
from mmerc.prediction.run_model import run_model


@pytest.fixture
def saved(make_model, tmp_path):
    make_model("concatenation").save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def empty_weights(folder):
    (folder / "model.safetensors").write_bytes(b"")


def lose_weights(folder):
    (folder / "model.safetensors").unlink()


def other_width(folder):
    change_config(folder, lambda value: value["model"].update(hidden=17))


def one_label_less(folder):
    change_config(folder, lambda value: value["labels"]["names"].pop())


def other_feature_width(folder):
    change_config(folder, lambda value: value["widths"].update(audio=8))


def no_audio(folder):
    change_config(folder, lambda value: value["widths"].pop("audio"))


def unknown_setting(folder):
    change_config(folder, lambda value: value["model"].update(strange=1))


def not_json(folder):
    (folder / "config.json").write_text("{")


def no_labels(folder):
    change_config(folder, lambda value: value.pop("labels"))


def change_config(folder, change):
    value = json.loads((folder / "config.json").read_text())
    change(value)
    (folder / "config.json").write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_weights, "truncated or not safetensors"),
        (empty_weights, "truncated or not safetensors"),
        (lose_weights, "no such file"),
        (other_width, "do not match the configuration"),
        (one_label_less, "do not match the configuration"),
        (other_feature_width, "do not match the configuration"),
        (no_audio, "do not match the configuration"),
        (unknown_setting, "settings that this version does not support"),
        (not_json, "not JSON"),
        (no_labels, "not the configuration of a model"),
    ],
)
def test_broken_model_gives_a_one_sentence_error(saved, damage, message):
    damage(saved)
    with pytest.raises(InputError, match=message) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)
    assert str(saved) in str(caught.value)


def test_model_without_its_text_encoder(make_model, tmp_path):
    make_model("language-model", tokens=True).save_pretrained(tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "text_encoder")
    with pytest.raises(InputError, match="text_encoder") as caught:
        load_model(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_weights_of_another_model(make_model, saved, tmp_path):
    make_model("bc-lstm").save_pretrained(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", saved)
    with pytest.raises(InputError, match="do not match the configuration"):
        load_model(saved)


def test_model_of_another_class_is_refused(saved):
    with pytest.raises(InputError, match="contains the model 'concatenation', not 'df-erc'"):
        _MODELS["df-erc"].from_pretrained(saved)


def test_unknown_names(tmp_path):
    with pytest.raises(UsageError, match="No model is called 'bert'"):
        model_class("bert")
    with pytest.raises(MmercError, match="contains no model"):
        load_model(tmp_path)
    with pytest.raises(MmercError, match="neither a run or model folder nor a Hub repository"):
        load_model(tmp_path / "nothing-here")


def test_run_folder_stands_for_its_best_seed_on_validation(make_model, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="without a finished seed"):
        load_model(tmp_path)
    scores = {7: (61.0, 50.0), 11: (63.5, 40.0), 12: (62.0, 70.0)}  # validation, test
    models = {}
    for seed in scores:
        models[seed] = make_model("concatenation", seed=seed)
        models[seed].save_pretrained(tmp_path / f"seed-{seed}" / "model")
    result = {
        "seeds": [
            {"seed": seed, "valid": {"weighted_f1": valid}, "test": {"weighted_f1": test}}
            for seed, (valid, test) in scores.items()
        ]
    }
    (tmp_path / "result.json").write_text(json.dumps(result))
    state = load_model(tmp_path).state_dict()
    assert all(torch.equal(state[key], value) for key, value in models[11].state_dict().items())
    (tmp_path / "result.json").write_text('{"seeds": []}')
    with pytest.raises(InputError, match="not the result of a run"):
        load_model(tmp_path)


@pytest.fixture(params=["lora", "frozen"])
def compact(make_model, make_batch, tmp_path, request):
    """A compact model with an external encoder, next to the full model."""
    model = make_model("df-erc", tokens=True, encoder={"tuning": request.param}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_((parameter + 0.01 * torch.randn_like(parameter)).half())
        for buffer in model.buffers():
            buffer.copy_(buffer.half()) if buffer.is_floating_point() else None
    model.temperature = 1.25
    model.save_pretrained(tmp_path / "compact", compact=True)
    return model, tmp_path / "compact"


def test_compact_model_is_small_and_equal(compact):
    model, folder = compact
    loaded = load_model(folder)
    assert loaded.temperature == 1.25
    assert not (folder / "text_encoder").exists()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    buffers = sum(b.numel() for b in model.buffers())
    assert (folder / "model.safetensors").stat().st_size < 2 * trained + 8 * buffers + 20_000


def test_statistics_of_a_compact_model_are_not_rounded(make_model, make_examples, tmp_path):
    model = make_model("concatenation")
    deviation = torch.linspace(1e-9, 1e6, len(model.inputs.deviation_audio))
    model.inputs.deviation_audio = deviation  # in 16 bits the first would be 0, the last infinite
    model.save_pretrained(tmp_path / "compact", compact=True)
    loaded = load_model(tmp_path / "compact")
    assert torch.equal(loaded.inputs.deviation_audio, deviation)
    assert run_model(loaded, make_examples([3])).probabilities.isfinite().all()


def test_replaced_weights_are_refused(compact):
    _, folder = compact
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="not the file that belongs to its config"):
        load_model(folder)


def test_temperature_softens_predictions(make_model, make_examples):
    model, examples = make_model("concatenation"), make_examples([3, 2])
    sharp = run_model(model, examples).probabilities
    model.temperature = 4.0
    soft = run_model(model, examples).probabilities
    torch.testing.assert_close(soft, (sharp.log() / 4).softmax(-1))
