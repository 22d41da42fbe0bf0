"""openSMILE on real files: its numbers unchanged, and absence instead of meaningless values."""

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError

import numpy as np
import opensmile
import pytest
import soundfile

from mmerc.errors import MmercError
from mmerc.features import opensmile as ours
from mmerc.features import sound_samples
from mmerc.features.base import Absent
from mmerc.features.opensmile import OpenSmile
from mmerc.media.segment import Clip, Segment

RATE = 16_000


def voice(seconds, *, pitch=120, loudness=0.3):
    """A tone with overtones that rises and falls in loudness, with a little noise."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 6))
    noise = np.random.default_rng(pitch).normal(size=len(time))
    swelling = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)
    return (loudness * (0.4 * tone * swelling + 0.05 * noise)).astype(np.float32)


@pytest.fixture(scope="module")
def compare():
    return OpenSmile("compare")


@pytest.fixture(scope="module")
def is10():
    return OpenSmile("is10")


@pytest.fixture(scope="module")
def egemaps():
    return OpenSmile("egemaps")


@pytest.fixture
def recording(tmp_path):
    """Two seconds of 16-bit audio, and its samples as written."""
    samples = np.round(voice(2) * 32768) / 32768
    soundfile.write(tmp_path / "voice.wav", samples, RATE, subtype="PCM_16")
    return tmp_path / "voice.wav", samples.astype(np.float32)


@pytest.mark.parametrize(
    ("extractor", "feature_set", "dim"),
    [("is10", "IS10", 1582), ("compare", "ComParE_2016", 6373), ("egemaps", "eGeMAPSv02", 88)],
)
def test_values_equal_opensmile(request, recording, extractor, feature_set, dim):
    path, _ = recording
    extractor = request.getfixturevalue(extractor)
    actual = extractor.extract(Segment(sound=Clip(path=path)))
    smile = opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals)
    assert (actual.dtype, actual.shape, extractor.spec.dim) == (np.float32, (dim,), dim)
    np.testing.assert_array_equal(actual, smile.process_file(str(path)).to_numpy(np.float32)[0])


def test_only_the_utterance_is_analysed(is10, recording):
    path, samples = recording
    actual = is10.extract(Segment(sound=Clip(path=path, start=0.5, end=1.25)))
    expected = is10.extract_samples(samples[8_000:20_000])
    np.testing.assert_array_equal(actual, expected)
    assert not np.array_equal(actual, is10.extract_samples(samples))


def bad_numbers():
    samples = voice(1)
    samples[4000] = np.nan
    return samples


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (voice(0.0999), "sound shorter than 0.1 s"),
        (voice(0), "sound shorter than 0.1 s"),
        (np.zeros(RATE, np.float32), "silence"),
        (np.full(RATE, 3e-5, np.float32), "silence"),
        (bad_numbers(), "sound with samples that are not numbers"),
    ],
)
def test_silent_audio_is_absent(is10, compare, samples, reason):
    assert is10.extract_samples(samples) == Absent(reason)
    assert compare.extract_samples(samples) == Absent(reason)


def test_shortest_audio_has_finite_values(is10, compare, egemaps):
    for extractor in (is10, compare, egemaps):
        assert np.isfinite(extractor.extract_samples(voice(0.1))).all()


def test_unmeasurable_audio_is_absent(is10, monkeypatch):
    """Below 0.06 s openSMILE gives NaN with a warning; this must never count as a vector."""
    monkeypatch.setattr(sound_samples, "SHORTEST", 0.01)
    with pytest.warns(UserWarning, match="too short"):
        actual = is10.extract_samples(voice(0.05))
    assert actual == Absent("openSMILE gave values that are not numbers")


@pytest.mark.parametrize("content", [None, b"", b"RIFF of nothing"])
def test_files_without_audio_are_absent(is10, tmp_path, content):
    path = tmp_path / "voice.wav"
    if content is not None:
        path.write_bytes(content)
    actual = is10.extract(Segment(sound=Clip(path=path)))
    assert isinstance(actual, Absent)
    assert str(tmp_path) not in actual.reason


def test_missing_file_is_absent(is10):
    assert is10.extract(Segment()) == Absent("no sound file")


def test_too_loud_audio_is_clipped_and_does_not_wrap(is10):
    loud = voice(1)
    loud *= 1.05 / np.abs(loud).max()
    actual, just = is10.extract_samples(loud), is10.extract_samples(np.clip(loud, -1, 0.9999))
    np.testing.assert_allclose(actual, just, rtol=0.05, atol=0.05 * np.abs(just).mean())


def test_threads_can_share_an_extractor(is10):
    sounds = [voice(0.3 + 0.1 * number, pitch=90 + 10 * number) for number in range(8)]
    alone = [is10.extract_samples(sound) for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(is10.extract_samples, sounds))
    np.testing.assert_array_equal(together, alone)


def test_fingerprint_depends_on_set_and_version(is10, compare, monkeypatch):
    assert is10.spec.settings["opensmile"] == opensmile.__version__
    monkeypatch.setattr(ours, "version", lambda _: "99.0")
    prints = [extractor.spec.fingerprint for extractor in (is10, compare, OpenSmile("is10"))]
    assert len(set(prints)) == 3


def test_missing_package_is_reported(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(ours, "version", missing)
    with pytest.raises(MmercError, match=r"opensmile is not installed.*pip install 'mmerc\[media"):
        OpenSmile("is10")
