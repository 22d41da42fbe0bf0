"""Make the example films and their subtitles: ``python examples/make_films.py``.

Needs Debian's package ``flite`` (the program and its voices) and mmerc's ``dev`` extra. The voices
are synthetic and the faces are free photographs; README.md beside this file names the sources.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pysubs2
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.io import wavfile
from scipy.signal import butter, sosfiltfilt
from skimage import data

Samples = NDArray[np.float32]

FOLDER = Path(__file__).parent
RATE = 16_000  # flite's voices
FRAMES_A_SECOND = 25
WIDTH, HEIGHT = 640, 480
LOUDNESS = 0.07  # root mean square of a neutral voice
ROOM = 0.0006  # and of the noise of a quiet room
SILENCE = 0.004  # below it, flite's own pauses before and after a sentence
FIRST, PAUSE, LAST = 0.8, 0.9, 1.0  # seconds before, between and after the sentences
CARD, INK = (38, 50, 56), (236, 239, 241)


@dataclass(frozen=True)
class Mood:
    """How a voice differs from its neutral self: factors of pitch, intonation, time, loudness."""

    pitch: float = 1.0
    intonation: float = 1.0
    time: float = 1.0
    loudness: float = 1.0


# In the directions that Murray and Arnott (1993) summarise; surprise and all sizes are our own.
MOODS = {
    "neutral": Mood(),
    "joy": Mood(pitch=1.2, intonation=1.8, time=0.94, loudness=1.3),
    "surprise": Mood(pitch=1.3, intonation=2.0, time=0.98, loudness=1.2),
    "anger": Mood(pitch=1.1, intonation=1.6, time=0.92, loudness=1.8),
    "fear": Mood(pitch=1.35, intonation=1.4, time=0.88),
    "sadness": Mood(pitch=0.88, intonation=0.5, time=1.2, loudness=0.55),
    "disgust": Mood(pitch=0.85, intonation=1.2, time=1.2, loudness=0.8),
}


@dataclass(frozen=True)
class Portrait:
    """A photograph of ``skimage.data``, shown from near ``centre`` in its pixels."""

    picture: str
    centre: tuple[float, float]
    width: float
    nearer: float = 0.85  # the width shown at the end of a sentence, as a share of that before

    def shot(self, *, progress: float) -> Image.Image:
        """What the camera sees, coming slowly nearer while ``progress`` goes from 0 to 1."""
        width = self.width * self.nearer**progress
        height = width * HEIGHT / WIDTH
        left, top = self.centre[0] - width / 2, self.centre[1] - height / 2
        box = (left, top, left + width, top + height)
        return photograph(self.picture).transform(
            (WIDTH, HEIGHT), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC
        )


@dataclass(frozen=True)
class Person:
    """A speaker: a voice of flite with its usual pitch in Hz, and a portrait if on camera."""

    voice: str
    pitch: float
    portrait: Portrait | None = None


@dataclass(frozen=True)
class Film:
    """People by name, and what they say: name, mood, text."""

    people: Mapping[str, Person]
    lines: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Cue:
    """A spoken line with its times in seconds."""

    speaker: str
    text: str
    start: float
    end: float


WOMAN = Portrait("astronaut", centre=(225, 117), width=285)
MAN = Portrait("camera", centre=(232, 160), width=310)

FILMS = {
    "phone-call": Film(
        people={"Mara": Person("slt", 170, WOMAN), "Tom": Person("awb", 120)},
        lines=(
            ("Mara", "neutral", "Hello, Tom. I am at the kitchen table, as usual."),
            ("Tom", "neutral", "Good. Are you sitting down? I have news about the job."),
            ("Mara", "surprise", "Already? I thought they would call you on Friday!"),
            ("Tom", "joy", "They called this morning, and I got it! I start in May!"),
            ("Mara", "joy", "Oh, that is wonderful! I am so happy for you!"),
            ("Tom", "neutral", "There is one thing. The office is in Lisbon."),
            ("Mara", "surprise", "Lisbon? You never said a word about Lisbon!"),
            ("Tom", "fear", "I know. I was so afraid that you would be upset."),
            ("Mara", "anger", "I am upset! You should have told me weeks ago!"),
            ("Tom", "sadness", "You are right. I am sorry. I felt terrible about it."),
            ("Mara", "sadness", "I will miss our Sunday walks so much."),
            ("Tom", "sadness", "So will I. Nobody else laughs at my jokes."),
            ("Mara", "disgust", "Wait. The milk in my tea has gone bad. That is disgusting."),
            ("Tom", "joy", "Then come to dinner! I am cooking for everybody tonight!"),
        ),
    ),
    "photograph": Film(
        people={"Nora": Person("slt", 170, WOMAN), "Lewis": Person("awb", 120, MAN)},
        lines=(
            ("Lewis", "neutral", "Stand a little to the left, please. The light is better."),
            ("Nora", "neutral", "Like this? I never know what to do with my hands."),
            ("Lewis", "fear", "Oh no, where are my films? The whole bag is empty!"),
            ("Nora", "surprise", "Empty? But you packed it yourself this morning!"),
            ("Lewis", "anger", "Somebody took them on the train! How could I be so stupid!"),
            ("Nora", "fear", "Please do not shout. I am scared when you shout."),
            ("Lewis", "sadness", "They were the last pictures of my grandmother's house."),
            ("Nora", "sadness", "I am so sorry. I know how much you loved that place."),
            ("Lewis", "disgust", "And now there is a rotten banana in here. Horrible."),
            ("Nora", "surprise", "Wait a moment! What is that, under the banana?"),
            ("Lewis", "joy", "My films! All of them! This is the best day of the year!"),
            ("Nora", "joy", "Wonderful! Now wash your hands and take my picture!"),
        ),
    ),
}


def main() -> None:
    """Make every film."""
    for name, film in FILMS.items():
        samples, cues = sound_of(film)
        write_subtitles(FOLDER / f"{name}.srt", cues)
        write_film(FOLDER / f"{name}.mp4", pictures_of(film, cues, len(samples) / RATE), samples)


def sound_of(film: Film) -> tuple[Samples, list[Cue]]:
    """The sound of a film, and when each line is spoken in it.

    Shape: -> [T] at 16 kHz.
    """
    parts, cues, time = [silence(FIRST)], [], FIRST
    for name, mood, text in film.lines:
        person = film.people[name]
        voice = speak(text, person, MOODS[mood])
        parts += [voice if person.portrait else by_telephone(voice), silence(PAUSE)]
        cues.append(Cue(name, text, time, time + len(voice) / RATE))
        time = cues[-1].end + PAUSE
    samples = np.concatenate([*parts, silence(LAST - PAUSE)])
    samples = np.pad(samples, (0, -len(samples) % (RATE // FRAMES_A_SECOND)))
    room = np.random.default_rng(0).normal(scale=ROOM, size=len(samples))
    return np.clip(samples + room, -1, 1).astype(np.float32), cues


def silence(seconds: float) -> Samples:
    """Samples of nothing."""
    return np.zeros(round(seconds * RATE), np.float32)


def speak(text: str, person: Person, mood: Mood) -> Samples:
    """What flite says, without the pauses around it, as loud as the mood asks.

    Shape: -> [T] at 16 kHz.
    """
    settings = {
        "int_f0_target_mean": person.pitch * mood.pitch,
        "int_f0_target_stddev": 15 * mood.intonation,
        "duration_stretch": mood.time,
    }
    options = [part for key, value in settings.items() for part in ("--setf", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "voice.wav")
        command = ["flite", "-voice", person.voice, *options, "-t", text, "-o", str(file)]
        subprocess.run(command, check=True)  # noqa: S603  (words and settings are ours)
        _, numbers = wavfile.read(file)
    samples = (numbers / 2**15).astype(np.float32)
    first, *_, last = np.flatnonzero(np.abs(samples) > SILENCE)
    spoken = samples[first : last + 1]
    return spoken * np.float32(LOUDNESS * mood.loudness / np.sqrt(np.mean(spoken**2)))


def by_telephone(samples: Samples) -> Samples:
    """The part of a voice that a telephone lets through, 300 to 3400 Hz."""
    band = butter(2, (300, 3400), btype="bandpass", fs=RATE, output="sos")
    return sosfiltfilt(band, samples).astype(np.float32)


def pictures_of(film: Film, cues: list[Cue], seconds: float) -> Iterator[Image.Image]:
    """The pictures of a film: who speaks is seen, from the middle of the pause before."""
    cuts = [0.0, *((one.end + two.start) / 2 for one, two in pairwise(cues)), seconds]
    frames = [round(cut * FRAMES_A_SECOND) for cut in cuts]
    for cue, (start, end) in zip(cues, pairwise(frames), strict=True):
        portrait = film.people[cue.speaker].portrait
        for frame in range(start, end):
            progress = (frame - start) / (end - start)
            yield portrait.shot(progress=progress) if portrait else card(cue.speaker)


@cache
def photograph(name: str) -> Image.Image:
    """A picture of ``skimage.data``, a grey one too as red, green and blue."""
    return Image.fromarray(getattr(data, name)()).convert("RGB")


@cache
def card(name: str) -> Image.Image:
    """A still card in the place of somebody who is not on camera."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), CARD)
    draw = ImageDraw.Draw(picture)
    for text, size, height in ((name, 72, 200), ("on the telephone", 28, 280)):
        font = ImageFont.load_default(size)
        draw.text((WIDTH / 2, height), text, INK, font=font, anchor="mm")
    return picture


def write_subtitles(file: Path, cues: list[Cue]) -> None:
    """``Name: text`` cues as SRT."""
    events = [
        pysubs2.SSAEvent(
            round(cue.start * 1000), round(cue.end * 1000), f"{cue.speaker}: {cue.text}"
        )
        for cue in cues
    ]
    subtitles = pysubs2.SSAFile()
    subtitles.events = events
    subtitles.save(str(file))


def write_film(file: Path, pictures: Iterator[Image.Image], samples: Samples) -> None:
    """H.264 and AAC in an MP4 file that plays while it loads."""
    with av.open(str(file), "w", options={"movflags": "faststart"}) as container:
        film = container.add_stream("libx264", rate=FRAMES_A_SECOND)
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        film.options = {"crf": "26", "preset": "slow", "threads": "1"}  # threads change the file
        sound = container.add_stream("aac", rate=RATE, layout="mono", bit_rate=48_000)
        step = RATE // FRAMES_A_SECOND
        for start, picture in zip(range(0, len(samples), step), pictures, strict=True):
            container.mux(film.encode(av.VideoFrame.from_image(picture)))
            piece = samples[None, start : start + step]
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), start
            container.mux(sound.encode(frame))
        for stream in (film, sound):
            container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
