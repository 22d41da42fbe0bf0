"""Every model on a local stand-in for the Hub: ``push_to_hub`` and ``load_model``."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from mmerc.errors import MmercError
from mmerc.models.registry import _MODELS, load_model
from mmerc.models.training_data import TrainedOn

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FolderHub:
    """The Hub's side: stores uploads in the layout of the Hub's cache."""

    cache: Path

    def create_repo(self, repository, *, private, exist_ok):
        assert private
        self.folder(repository).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(self, *, repo_id, folder_path):
        folder = self.folder(repo_id)
        for path in Path(folder_path).rglob("*"):
            if path.is_file():
                blob = folder / "blobs" / str(len(list((folder / "blobs").glob("*"))))
                place = folder / "snapshots" / COMMIT / path.relative_to(folder_path)
                blob.parent.mkdir(exist_ok=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, blob)
                place.symlink_to(blob)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(COMMIT)

    def folder(self, repository):
        return self.cache / f"models--{repository.replace('/', '--')}"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub in a folder, without network (HF_HUB_OFFLINE), so that nothing else can respond."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    actual = FolderHub(tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: actual)
    return actual


def assert_same(loaded, model):
    assert type(loaded) is type(model)
    assert not loaded.training
    assert (loaded.config, loaded.labels, loaded.temperature) == (
        model.config,
        model.labels,
        model.temperature,
    )
    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("tokens", [False, True], ids=["vectors", "tokens"])
@pytest.mark.parametrize("name", _MODELS)
def test_every_model_round_trips_through_the_hub(hub, make_model, name, tokens):
    model = make_model(name, tokens=tokens and name != "majority")
    model.temperature = 1.5
    model.push_to_hub("someone/model")
    assert_same(load_model("someone/model"), model)
    assert_same(_MODELS[name].from_pretrained("someone/model"), model)


def test_audio_model_round_trips_through_the_hub(hub, make_sound_model):
    model = make_sound_model("dq-former")
    model.push_to_hub("someone/model")
    assert_same(load_model("someone/model"), model)


@pytest.mark.parametrize("tuning", ["lora", "frozen"])
def test_compact_model_round_trips_through_the_hub(hub, make_model, tuning):
    model = make_model("df-erc", tokens=True, encoder={"tuning": tuning}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(parameter.half())
    model.push_to_hub("someone/compact", compact=True)
    sent = hub.folder("someone/compact") / "snapshots" / COMMIT
    assert not (sent / "text_encoder").exists()
    assert_same(load_model("someone/compact"), model)


def test_card_and_training_data_are_uploaded(hub, make_model):
    known = TrainedOn(corpus="own", conversations=frozenset({"a", "b"}))
    model = make_model("concatenation")
    model.push_to_hub("someone/model", card="# My model\n", trained_on=known)
    sent = hub.folder("someone/model") / "snapshots" / COMMIT
    assert (sent / "README.md").read_text() == "# My model\n"
    assert TrainedOn.read(sent) == known


def test_missing_model_gives_a_one_sentence_error(hub):
    with pytest.raises(MmercError, match="someone/other is neither") as caught:
        load_model("someone/other")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("repository", ["someone/model", "not a name/at all"])
def test_unreachable_hub_gives_a_one_sentence_error(make_model, repository):
    with pytest.raises(MmercError, match="cannot be written to the Hub") as caught:
        make_model("concatenation").push_to_hub(repository)
    assert "\n" not in str(caught.value)
