"""Small media files for the tests, written with PyAV."""

from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

BITS = 8


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Samples [channels, n] starting at ``start`` seconds, with one gap of ``hole`` seconds."""

    samples: np.ndarray
    rate: int = 16000
    layout: str = "mono"
    codec: str = "pcm_s16le"
    start: float = 0.0
    hole_at: float | None = None
    hole: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Film:
    """Numbered frames at each of ``times`` (integer ticks of 1 / clock)."""

    times: list = field(default_factory=lambda: [i / 25 for i in range(75)])
    clock: int = 25
    codec: str = "libx264"
    width: int = 64
    height: int = 48
    rotation: int = 0
    mirrored: bool = False
    aspect: Fraction = Fraction(1)
    key_every: int = 12
    picture: object = None


def tone(seconds, *, rate=16000, frequency=440.0, channels=1):
    """A sine of half scale: float32 [channels, n]."""
    times = np.arange(round(seconds * rate)) / rate
    return np.tile(0.5 * np.sin(2 * np.pi * frequency * times), (channels, 1)).astype("float32")


def murmur(seconds, *, rate=16000, seed=0):
    """Noise below 3 kHz, in which any shift is detectable: float32 [1, n]."""
    size = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=size))
    spectrum[np.fft.rfftfreq(size, 1 / rate) > 3000] = 0
    samples = np.fft.irfft(spectrum, size)
    return (0.5 * samples / np.abs(samples).max())[None].astype("float32")


def numbered(number, *, width=64, height=48):
    """An image whose vertical stripes are the bits of ``number``."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    stripes = np.repeat(np.array(bits, np.uint8) * 255, width // BITS)
    return np.repeat(np.broadcast_to(stripes, (height, width))[..., None], 3, axis=2).copy()


def number_of(pixels):
    """The number shown by an image of any size."""
    middle = pixels[pixels.shape[0] // 2].mean(-1)
    stripes = middle.reshape(BITS, -1).mean(1)
    return sum(1 << bit for bit in range(BITS) if stripes[bit] > 127)


def corners():
    """Red at the top left, green at the top right, blue at the bottom left, otherwise white."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32, 0] = pixels[:24, 32:, 1] = pixels[24:, :32, 2] = 255
    pixels[24:, 32:] = 255
    return pixels


def corner_names(pixels):
    """The colours at the top left, top right, bottom left and bottom right."""
    height, width, _ = pixels.shape
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    spots = [(i * height // 4, j * width // 4) for i in (1, 3) for j in (1, 3)]
    return [names[tuple(int(value > 127) for value in pixels[spot])] for spot in spots]


def write_media(path, *, film=None, sound=None, options=None, container=None):
    """Write a file with video, audio or both, and return its path."""
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        streams = [add_film(output, film)] if film else []
        streams += [add_sound(output, sound)] if sound else []
        for stream, item in zip(streams, [item for item in (film, sound) if item], strict=True):
            frames = film_frames(item) if item is film else sound_frames(item, stream)
            for frame in [*frames, None]:
                for packet in stream.encode(frame):
                    output.mux(packet)
    return path


def add_film(output, film):
    stream = output.add_stream(film.codec, rate=film.clock)
    stream.width, stream.height = film.width, film.height
    stream.pix_fmt = "yuvj420p" if film.codec == "mjpeg" else "yuv420p"
    stream.codec_context.time_base = Fraction(1, film.clock)
    stream.codec_context.gop_size = film.key_every
    stream.codec_context.sample_aspect_ratio = film.aspect
    if film.rotation or film.mirrored:
        stream.set_display_rotation(film.rotation, hflip=film.mirrored)
    return stream


def film_frames(film):
    for number, time in enumerate(film.times):
        pixels = film.picture
        if pixels is None:
            pixels = numbered(number % 2**BITS, width=film.width, height=film.height)
        frame = av.VideoFrame.from_ndarray(pixels)
        frame.pts, frame.time_base = round(time * film.clock), Fraction(1, film.clock)
        yield frame


def add_sound(output, sound):
    return output.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)


def sound_frames(sound, stream):
    """Frames with timestamps, in the encoder's size and format."""
    size = stream.codec_context.frame_size or 1000
    begin = round(sound.start * sound.rate)
    hole_at = sound.samples.shape[1] if sound.hole_at is None else round(sound.hole_at * sound.rate)
    shape = av.AudioResampler(format=stream.format.name, layout=sound.layout, rate=sound.rate)
    for first in range(0, sound.samples.shape[1], size):
        part = np.ascontiguousarray(sound.samples[:, first : first + size])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=sound.layout)
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = begin + first + (round(sound.hole * sound.rate) if first >= hole_at else 0)
        yield from shape.resample(frame)


def lag(actual, expected, *, limit):
    """Delay of ``found`` relative to ``expected`` in samples, up to ``limit``."""
    inner = expected[limit:-limit]
    scores = [
        float(np.dot(actual[shift : shift + len(inner)], inner)) for shift in range(2 * limit + 1)
    ]
    return int(np.argmax(scores)) - limit
