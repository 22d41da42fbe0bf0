"""Choice of model and extractors, with and without non-commercial ones."""

import shutil

import pytest

from mmerc.errors import MmercError, UsageError
from mmerc.inference.pipeline.components import load_components
from mmerc.models.embedded_models import _EMBEDDED_FOLDER
from short_films import save_model


def load(source, **settings):
    return load_components(source, **{"commercial_only": False, "face": "speaking"} | settings)


def test_components_for_every_model_input(models):
    parts = load(models / "all", face="largest")
    predictions = {modality: extractor.name for modality, extractor in parts.extractors.items()}
    assert predictions == {"audio": "is10", "video": "denseface"}
    assert parts.extractors["video"].face == "largest"
    assert (parts.name, parts.missing) == ("all", {})


def test_commercial_use_excludes_audio_and_faces(models):
    parts = load(models / "all", commercial_only=True)
    assert parts.extractors == {}
    assert parts.missing == {
        "audio": "opensmile may not be used commercially.",
        "video": "denseface may not be used commercially.",
    }
    assert load(models / "read", commercial_only=True).missing == {}


@pytest.mark.parametrize(
    "name",
    [
        "mmerc-mini",
        "mmerc-mini-live",
        "mmerc-mini-1",
        "mmerc-mini-live-1",
        "mmerc-base",
        _EMBEDDED_FOLDER / "mmerc-mini",
        _EMBEDDED_FOLDER / ".." / "embedded/mmerc-mini",
    ],
)
def test_commercial_use_of_the_default_model_is_refused(name):
    words = r"may not be used commercially: it was trained on composed .*mmerc-mini-text"
    with pytest.raises(UsageError, match=words):
        load(name, commercial_only=True)


def test_commercial_use_of_an_adapted_default_model_is_refused(tmp_path):
    folder = shutil.copytree(_EMBEDDED_FOLDER / "mmerc-mini", tmp_path / "adapted")
    with pytest.raises(UsageError, match="adapted may not be used commercially"):
        load(folder, commercial_only=True)


@pytest.mark.parametrize(
    ("name", "loaded"), [(None, "mmerc-mini-text"), ("mmerc-goemotions", "mmerc-goemotions")]
)
def test_models_of_text_may_be_used_commercially(name, loaded):
    parts = load(name, commercial_only=True)
    assert (parts.name, parts.extractors) == (loaded, {})


def test_larger_model_explains_how_to_install_its_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path))
    with pytest.raises(MmercError, match=r"install them with `mmerc weights install mpnet-base`"):
        load("mmerc-base")


@pytest.mark.parametrize("known", [{}, {"audio": "wavlm", "video": "denseface"}])
def test_vectors_that_cannot_be_extracted(tmp_path, known):
    folder = save_model(tmp_path / "own", extractors=known)
    parts = load(folder)
    assert "needs features that mmerc cannot extract" in parts.missing["audio"]
    assert set(parts.extractors) == set(known) - {"audio"}


def test_combined_vectors_have_the_strictest_licence(tmp_path):
    folder = save_model(tmp_path / "heard", extractors={"audio": "whisper"})
    assert load(folder, commercial_only=True).extractors["audio"].name == "whisper"
    folder = save_model(tmp_path / "both", extractors={"audio": "whisper+egemaps"})
    assert load(folder).extractors["audio"].name == "whisper+egemaps"
    missing = load(folder, commercial_only=True).missing
    assert missing["audio"] == "opensmile may not be used commercially."


def test_no_vectors_can_be_extracted(tmp_path):
    folder = save_model(tmp_path / "own", encoder=None, extractors={"video": "faces-of-mine"})
    with pytest.raises(
        MmercError, match=r"No modality that .*own uses is available: .*faces-of-mine"
    ):
        load(folder)
    folder = save_model(tmp_path / "heard", encoder=None)
    with pytest.raises(MmercError, match="opensmile may not be used commercially"):
        load(folder, commercial_only=True)


def test_current_folder_as_model(models, monkeypatch):
    monkeypatch.chdir(models / "read")
    assert load(".").name == "read"


def test_unknown_model(tmp_path):
    with pytest.raises(MmercError, match="neither a run or model folder"):
        load(tmp_path / "none")
