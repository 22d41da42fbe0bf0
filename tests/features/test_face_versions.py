"""Versions of the face network: each has its own weights, and models keep their version."""

import json

import pytest
import torch

from mmerc.features.denseface.equalisation import equalise
from mmerc.features.denseface.extractor import load_network
from mmerc.features.denseface.network import normalise
from mmerc.features.denseface.versions import VERSIONS, locate_shipped_weights
from mmerc.inference.pipeline.components import load_components
from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.detector import FaceDetector
from mmerc.models.embedded_models import find_embedded_model
from mmerc.models.training_data import TrainedOn
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.face_network.images import EMOTIONS


@pytest.mark.parametrize("name", ["denseface-2", "denseface-3"])
def test_later_versions_were_trained_from_the_first(name):
    first, second = VERSIONS["denseface"].weights, VERSIONS[name].weights
    card = json.loads(second.with_suffix(".json").read_text())
    assert card["initial_sha256"] == json.loads(first.with_suffix(".json").read_text())["sha256"]
    config = FaceNetworkConfig.model_validate(card["config"])
    assert config.equalise
    frozen = load_network(first).first_blocks(config.frozen_blocks).state_dict()
    kept = load_network(second).first_blocks(config.frozen_blocks).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in frozen.items())


def test_packaged_models_use_the_version_of_their_training():
    trained_on = TrainedOn.read(find_embedded_model("mmerc-mini")).extractors["video"]
    components = load_components("mmerc-mini", commercial_only=False, face="speaking")
    assert components.extractors["video"].name == trained_on
    assert trained_on in VERSIONS


@pytest.mark.parametrize("name", ["denseface-2", "denseface-3"])
def test_dim_smile_is_recognised(name):
    """A photograph made dark and low in contrast, through detection, crop and network."""
    astronaut = pytest.importorskip("skimage.data", reason="scikit-image is missing").astronaut()
    dim = (astronaut * 0.3 + 40).astype("uint8")
    (faces,) = FaceDetector(smallest=60).detect([dim])
    crop = torch.from_numpy(align_face(dim, faces[0].landmarks))[None, None]
    network = load_network(locate_shipped_weights(VERSIONS[name]))
    logits = network(normalise(equalise(crop))).logits[0]
    assert EMOTIONS[int(logits.argmax())] == "happy"
    assert logits.softmax(0).max() > 0.5
