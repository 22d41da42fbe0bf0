"""The speaker's face from a real video, from images, and from empty input."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from mmerc.features.base import Absent
from mmerc.features.speaker_faces import NO_FACE, NO_FILM, SpeakerFaces
from mmerc.media.decode import Reason, to_grey
from mmerc.media.segment import Clip, Segment

RATE = 10


def write_film(path, frames):
    """An MP4 of ``frames`` [T, H, W, 3], ten per second."""
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        stream.time_base = Fraction(1, RATE)
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def photograph():
    """A public-domain photograph with one face, 512 x 512."""
    return pytest.importorskip("skimage.data", reason="scikit-image is not installed").astronaut()


@pytest.fixture(scope="module")
def film(photograph, tmp_path_factory):
    """Two seconds: the large photograph on the left, a smaller one on the right; then black."""
    frames = []
    for i in range(20):
        frame = np.zeros((512, 800, 3), np.uint8)
        frame[:, :400] = photograph[:, 50:450]
        frame[100:356, 500:756] = np.roll(photograph[::2, ::2], i % 2, axis=0)
        frames.append(frame)
    path = tmp_path_factory.mktemp("film") / "two.mp4"
    write_film(path, frames + [np.zeros((512, 800, 3), np.uint8)] * 10)
    return path


def segment(film, start=0.0, end=2.0, **others):
    return Segment(film=Clip(film, start=start, end=end), **others)


def test_larger_face_is_cropped_once_per_frame(film):
    crops = SpeakerFaces(frames=5, choice="largest").views(segment(film)).crops
    assert (crops.shape, crops.dtype) == ((5, 48, 48), np.uint8)
    assert crops.std() > 20
    assert all(np.abs(crop.astype(int) - crops[0]).mean() < 10 for crop in crops)


def test_all_faces_give_twice_as_many(film):
    views = SpeakerFaces(frames=5, choice="all").views(segment(film))
    assert len(views.crops) == 10
    assert sorted(views.frames.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("half", ["left", "right"])
def test_half_of_the_image_contains_one_face(film, half):
    everyone = SpeakerFaces(frames=4, choice="all")
    crops = everyone.views(segment(film, half=half)).crops
    assert len(crops) == 4
    both = everyone.views(segment(film)).crops
    size = 400 if half == "left" else 256  # the larger face comes first
    same = both[:4] if size == 400 else both[4:]
    assert np.abs(crops.astype(int) - same).mean() < 12


def test_colour_crops_of_another_size(film):
    crops = SpeakerFaces(frames=2, size=64, grey=False, choice="largest").views(segment(film)).crops
    assert crops.shape == (2, 64, 64, 3)
    assert np.abs(crops[..., 0].astype(int) - crops[..., 2]).mean() > 5


def test_no_face_is_absent(film):
    assert SpeakerFaces(frames=3).views(segment(film, 2.2, 2.9)) == Absent(NO_FACE)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (Segment(), NO_FILM),
        (Segment(film=Clip("{folder}/none.mp4")), Reason.NO_FILE),
        (Segment(film=Clip("{film}", start=9.0, end=10.0)), Reason.PAST_FILM),
        (Segment(pictures=(b"no picture",)), Reason.NOT_MEDIA),
    ],
    ids=["nothing", "missing", "past the end", "broken picture"],
)
def test_absences_have_reasons(film, tmp_path, given, reason):
    if given.film is not None:
        name = str(given.film.path).format(folder=tmp_path, film=film)
        given = segment(type(film)(name), given.film.start, given.film.end)
    assert SpeakerFaces(frames=3).views(given) == Absent(str(reason))


def test_video_that_ends_during_the_utterance_gives_its_frames(film):
    crops = SpeakerFaces(frames=10, choice="largest").views(segment(film, 1.0, 5.0)).crops
    assert 2 <= len(crops) < 5  # frames at 1.2, 1.6, then black at 2.0 and 2.4, then none


def test_complete_file_is_used_without_times(film):
    crops = SpeakerFaces(frames=6, choice="largest").views(Segment(film=Clip(film))).crops
    assert len(crops) == 4  # two of six are in the black second


def test_images_are_used_as_faces(photograph):
    jpeg = io.BytesIO()
    image = pytest.importorskip("PIL.Image").fromarray(photograph[:480, :480])
    image.save(jpeg, "JPEG", quality=95)
    crops = SpeakerFaces().views(Segment(pictures=(jpeg.getvalue(), jpeg.getvalue()))).crops
    assert crops.shape == (2, 48, 48)
    blocks = to_grey(photograph)[:480, :480].reshape(48, 10, 48, 10).mean((1, 3))
    assert np.corrcoef(crops[0].ravel(), blocks.ravel())[0, 1] > 0.98
