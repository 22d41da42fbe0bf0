"""The composed corpus, with random disturbances recorded per utterance."""

import numpy as np
import pytest
import soundfile

from fer2013 import draw_face, encoded, write
from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.composed import ComposedReader, _split_media
from mmerc.corpora.visible_noise import disturb_conversation, split_disturbance
from mmerc.errors import InputError
from mmerc.features.base import Absent
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.media.decode import read_clip
from mmerc.media.degradation import Blur, drop_words, utterance_seed
from mmerc.media.segment import Segment

WORDS = " ".join(f"word{number}" for number in range(10))
MEDIA = "ravdess/clip.flac#faces=a_1;b_2;c_3"


def conversation(name="train_dia0", utterances=400):
    return Conversation(
        id=name,
        utterances=tuple(
            Utterance(id=f"utt{number}", speaker="Ann", text=WORDS, media=MEDIA, label="joy")
            for number in range(utterances)
        ),
    )


def recorded(conversation):
    return [split_disturbance(utterance.media)[1] for utterance in conversation.utterances]


def test_amounts_are_uniform_and_independent():
    levels = recorded(disturb_conversation(conversation(utterances=3000)))
    columns = np.array([[item.noise, item.lost, item.blur, item.words] for item in levels])
    for column, (low, high) in zip(columns.T, ((-10, 20), (0, 80), (0, 12), (0, 80)), strict=True):
        quarters = np.histogram(column, bins=4, range=(low, high))[0]
        assert quarters.sum() == 3000
        assert quarters.min() > 650
    correlation = np.corrcoef(columns.T)
    assert np.abs(correlation - np.eye(4)).max() < 0.06


def test_disturbance_depends_only_on_ids():
    one = disturb_conversation(conversation())
    assert one == disturb_conversation(conversation())
    shorter = disturb_conversation(conversation(utterances=3))
    assert shorter.utterances == one.utterances[:3]
    other = disturb_conversation(conversation("test_dia0"))
    assert recorded(other) != recorded(one)


def test_recorded_disturbance_is_the_applied_one():
    source = conversation()
    disturbed = disturb_conversation(source)
    for utterance, levels in zip(disturbed.utterances, recorded(disturbed), strict=True):
        seed = utterance_seed(source.id, utterance.id)
        assert utterance.text == drop_words(WORDS, levels.words / 100, seed=seed)
        assert _split_media(utterance.media) == ("ravdess/clip.flac", ("a_1", "b_2", "c_3"))
        assert (utterance.speaker, utterance.label) == ("Ann", "joy")


def test_utterance_without_audio_and_faces_loses_only_words():
    silent = Conversation(id="a", utterances=(Utterance(id="b", speaker="Ann", text=WORDS),))
    (utterance,) = disturb_conversation(silent).utterances
    assert _split_media(utterance.media) == (None, ())
    assert split_disturbance(utterance.media)[1] is not None


@pytest.mark.parametrize("levels", ["", "noise:1", "noise:1;lost:2;blur:x;words:3", "volume:3"])
def test_unreadable_disturbance_is_refused(levels):
    with pytest.raises(InputError, match="cannot be read"):
        split_disturbance(f"{MEDIA}#disturbed={levels}")


@pytest.fixture
def data(tmp_path):
    """A folder with one clip and three faces."""
    rate = 16_000
    samples = 0.1 * np.sin(np.arange(rate) / 20)
    (tmp_path / "ravdess").mkdir()
    soundfile.write(tmp_path / "ravdess/clip.flac", samples, rate)
    rows = [
        {"name": name, "usage": "Training", "label": "happy", "jpeg": encoded(draw_face(1, number))}
        for number, name in enumerate(("a_1", "b_2", "c_3"))
    ]
    (tmp_path / "fer2013").mkdir()
    write(rows, tmp_path / "fer2013/fer2013.parquet")
    return tmp_path


def test_audio_and_faces_are_disturbed_as_recorded(data):
    clean = conversation(utterances=40)
    disturbed = disturb_conversation(clean)
    noisy_at = ComposedReader().locator(data, [disturbed])
    clean_at = ComposedReader().locator(data, [clean])
    sizes = set()
    for utterance, plain, levels in zip(
        disturbed.utterances, clean.utterances, recorded(disturbed), strict=True
    ):
        segment, original = noisy_at(disturbed, utterance), clean_at(clean, plain)
        sound, noisy = (read_clip(item.sound).astype(float) for item in (original, segment))
        ratio = 10 * np.log10((sound**2).sum() / ((noisy - sound) ** 2).sum())
        assert ratio == pytest.approx(levels.noise, abs=0.05)
        faces, whole = (SpeakerFaces().views(item) for item in (segment, original))
        kept = list(segment.arriving(3))
        sizes.add(len(kept))
        if not kept:
            assert isinstance(faces, Absent)
            continue
        expected = Blur(levels.blur / 100).applied_to(whole.crops[kept])
        assert np.array_equal(faces.crops, expected)
    assert sizes == {0, 1, 2, 3}


def test_blur_of_a_point():
    """A wider Gaussian has a lower peak; colours do not mix."""
    picture = np.zeros((1, 48, 48), np.uint8)
    picture[0, 24, 24] = 255
    assert np.array_equal(Blur(0.0).applied_to(picture), picture)
    pictures = np.repeat(picture * 0 + 20, 2, axis=0)
    assert np.array_equal(Blur(0.1).applied_to(pictures), pictures)
    sharp, soft = (Blur(share).applied_to(picture).max() for share in (0.01, 0.02))
    assert 255 > sharp > soft > 0
    coloured = np.stack([picture, picture * 0, picture], axis=-1)
    blurred = Blur(0.02).applied_to(coloured)
    assert np.array_equal(blurred[..., 0], Blur(0.02).applied_to(picture))
    assert blurred[..., 1].max() == 0


def test_faces_are_blurred_after_cropping():
    pictures = tuple(encoded(draw_face(number % 2, number)) for number in range(2))
    plain = SpeakerFaces().views(Segment(pictures=pictures)).crops
    blurred = SpeakerFaces().views(Segment(pictures=pictures, blur=Blur(0.05))).crops
    assert np.array_equal(blurred, Blur(0.05).applied_to(plain))
